"""What role server does for a service: on a host that is to have it, and on one that had it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypedDict

from pgstack.planning import services
from pgstack.planning.plan import Plan
from pgstack.planning.service import Service
from pgstack.targets.host import files


class Server(TypedDict):
    """What a host needs for a service."""

    packages: list[str]
    files: list[dict[str, str | None]]
    """for the module stack_files, directories first"""
    timers: list[str]


class Needed(TypedDict):
    """What a host has of Debian for all its services."""

    packages: list[str]
    """but for those that come after their service's units"""
    masked: list[str]
    """units of them that never start"""


class Unplanned(TypedDict):
    """What an earlier plan has left of a service."""

    units: list[str]
    gone: list[str]
    """paths, for the module stack_files"""


def of_plan(stack: dict[str, Any], name: str) -> Server:
    """For the service of this name."""
    plan = Plan.model_validate(stack)
    service = next(service for service in services.of(plan) if service.name == name)
    written = files.of_plan(stack, name)
    parents = dict.fromkeys(str(Path(str(file["dest"])).parent) for file in written)
    folders: list[dict[str, str | None]] = [{"dest": parent} for parent in parents]
    return {
        "packages": list(service.packages(plan)),
        "files": [*folders, *written],
        "timers": [
            services.unit_of(services.place(plan, path))
            for template, path in service.units.items()
            if template.endswith(".timer") and template not in service.without(plan)
        ],
    }


def needed(stack: dict[str, Any]) -> Needed:
    """Of all services at once: apt and systemd take about as long for one as for all."""
    plan = Plan.model_validate(stack)
    planned = services.of(plan)
    names = (
        name for service in planned if not service.packages_last for name in service.packages(plan)
    )
    masked = (name for service in planned for name in service.masked(plan))
    return {"packages": sorted(set(names)), "masked": sorted(set(masked))}


def unplanned(stack: dict[str, Any], made: list[str]) -> list[Unplanned]:
    """For each service that the plan does not have, and of which there are units among the paths
    that were `made`."""
    plan = Plan.model_validate(stack)
    return [
        traces
        for service in services.SERVICES
        if service.optional
        and service.name not in plan.services
        and (traces := _traces(plan, service, made))["units"]
    ]


def _traces(plan: Plan, service: Service, made: list[str]) -> Unplanned:
    """The units last: they tell the next run that there is something to be removed."""
    places = [services.place(plan, path) for path in service.units.values()]
    conf = Path(plan.paths.conf)
    return {
        "units": [services.unit_of(place) for place in places if place in made],
        "gone": [
            *(str(folder / service.name) for folder in (conf, conf / "live")),
            *(services.place(plan, path) for path in service.noted),
            *map(_removed, reversed(places)),
        ],
    }


def _removed(place: str) -> str:
    """A unit; of a drop-in its directory."""
    path = Path(place)
    return str(path.parent if path.parent.suffix == ".d" else path)
