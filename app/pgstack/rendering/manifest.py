"""Which templates a plan renders, and where to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pgstack.planning import services
from pgstack.planning.plan import Plan
from pgstack.planning.service import MACHINE, Service


@dataclass(frozen=True)
class Template:
    """One template: its path in the project, where its text goes, and the role of Ansible's that
    writes it on a host."""

    role: str
    source: str
    path: Path
    service: Service
    """whose it is"""


def templates(plan: Plan) -> list[Template]:
    """Templates that are rendered for `plan`, in the order of its services."""
    own_machine = MACHINE in plan.services
    return [
        template
        for service in services.of(plan)
        for template in (*_files(service, plan), *(_units(service, plan) if own_machine else ()))
    ]


def _files(service: Service, plan: Plan) -> list[Template]:
    kind, folder, unwanted = (
        service.kind,
        Path(plan.paths.conf, service.kind),
        service.without(plan),
    )
    return [
        Template(
            kind,
            f"{kind}/{service.source or file}{'' if file in service.plain else '.j2'}",
            folder / file,
            service,
        )
        for file in service.files
        if file not in unwanted
    ]


def _units(service: Service, plan: Plan) -> list[Template]:
    return [
        Template(
            service.role,
            f"{MACHINE}/{name}.j2",
            Path(services.place(plan, place)),
            service,
        )
        for name, place in service.units.items()
        if name not in service.without(plan)
    ]
