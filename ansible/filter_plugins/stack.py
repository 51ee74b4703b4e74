"""The planner as filters: what a play knows of the stack comes from here."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleFilterError

PROJECT = Path(__file__).resolve().parents[2]
sys.path.append(str(PROJECT / "app"))

from pgstack import config, hardware, packages, render, sizing  # noqa: E402 - the path comes first
from pgstack.errors import StackError  # noqa: E402
from pgstack.plan import Plan  # noqa: E402

SHIPPED = ("app", "postgres", "pgbouncer", "apache", "host", "requirements")
"""what a release holds of the checkout"""
UNWANTED = frozenset({"__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache"})


def stack_plan(inputs: dict[str, Any], machine: dict[str, Any]) -> dict[str, Any]:
    """The plan for a host that was found to be `machine` (see pgstack.hardware). Raises AnsibleFilterError."""
    texts = {config.environment_name(name): _text(value) for name, value in inputs.items()}
    try:
        chosen = config.load(texts, target="host")
        plan = sizing.plan(chosen, hardware.chosen(chosen, hardware.Hardware(**_plain(machine))))
    except StackError as error:
        raise AnsibleFilterError(f"stack_inputs: {error}") from error
    return json.loads(plan.model_dump_json())


def _plain(value: Any) -> Any:
    """Without the wrappers in which Ansible hands over what it has not looked at yet."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value


def _text(value: Any) -> str:
    if isinstance(value, bool):  # what YAML makes of on and off
        return "on" if value else "off"
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def stack_files(stack: dict[str, Any], *parts: str) -> list[dict[str, str]]:
    """Templates of `parts`, or of all, with their destinations and modes, for the template module."""
    return [
        {"src": str(PROJECT / one.source), "dest": str(one.path), "mode": f"{one.mode:04o}"}
        for one in render.templates(Plan.model_validate(_plain(stack)))
        if not parts or one.part in parts
    ]


def stack_json(stack: dict[str, Any]) -> str:
    """The text of plan.json."""
    return render.plan_text(Plan.model_validate(_plain(stack)))


def stack_packages(debian: int) -> dict[str, list[str]]:
    """Debian's packages of the servers, and of the virtual environment."""
    return {
        "servers": list(packages.servers(debian).values()), "python": list(packages.environment(debian).values()),
    }  # fmt: skip


def stack_taken(stack: dict[str, Any], listeners: list[dict[str, Any]]) -> list[str]:
    """Who holds a port that Apache needs; its own instances do not count (listeners: see host/survey.py)."""
    site = stack["site"]
    wanted = {(site["address"].strip("[]"), site["port"])}
    wanted |= {("127.0.0.1", port) for port in site["instance_ports"].values()}
    return [
        f"port {one['port']} is held by {one['program']} ({one['unit'] or 'no unit'}) at {one['address']}"
        for one in listeners
        if not one["unit"].startswith("stack-apache@")
        and any(one["port"] == port and _collide(one["address"], address) for address, port in wanted)
    ]


def _collide(left: str, right: str) -> bool:
    return left == right or not {left, right}.isdisjoint({"*", "0.0.0.0", "::"})  # noqa: S104 - compared, not bound


def stack_release(_: object) -> dict[str, Any]:
    """Name of the release that the checkout holds, by what is in its files, and their paths in it."""
    paths = sorted(
        path.relative_to(PROJECT)
        for folder in SHIPPED
        for path in (PROJECT / folder).rglob("*")
        if path.is_file() and not UNWANTED & set(path.parts)
    )
    content = hashlib.sha256()
    for path in paths:
        content.update(f"{path} {hashlib.sha256((PROJECT / path).read_bytes()).hexdigest()}\n".encode())
    return {"id": content.hexdigest()[:12], "files": [str(path) for path in paths]}


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Any]:
        """The filters by name."""
        return {
            function.__name__: function
            for function in (
                stack_plan,
                stack_files,
                stack_json,
                stack_packages,
                stack_taken,
                stack_release,
            )
        }
