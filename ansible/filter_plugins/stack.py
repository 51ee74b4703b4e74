"""The planner as filters: what a play knows of the stack comes from here, and is worked out in
pgstack.targets.host."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import ansible.constants as ansible_constants
from ansible.errors import AnsibleFilterError

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path.append(str(CHECKOUT / "app"))

from pgstack.errors import StackError  # noqa: E402 - the path comes first
from pgstack.planning import packages  # noqa: E402
from pgstack.targets.host import (  # noqa: E402
    files,
    inventory,
    machine,
    neighbours,
    project,
    release,
    servers,
    stackctl,
)


def stack_packages(debian: int) -> dict[str, list[str]]:
    """Debian's packages of the servers, and of the virtual environment."""
    return {
        "servers": list(packages.servers(debian).values()),
        "python": list(packages.environment(debian).values()),
    }


def stack_debians(_: object) -> list[int]:
    """The Debian releases that the stack is for."""
    return sorted(packages.RELEASES)


def stack_project(inputs: dict[str, Any]) -> dict[str, Any]:
    """What is said of the project; it is fetched to a directory that this run deletes at its
    end."""
    return project.of_inputs(inputs, ansible_constants.DEFAULT_LOCAL_TMP)


FILTERS: dict[str, Callable[..., Any]] = {
    "stack_names": inventory.names_of,
    "stack_part": inventory.of_host,
    "stack_plan": inventory.plan,
    "stack_plan_external": inventory.plan_external,
    "stack_files": files.of_plan,
    "stack_server": servers.of_plan,
    "stack_needed": servers.needed,
    "stack_unplanned": servers.unplanned,
    "stack_stackctl": stackctl.stackctl,
    "stack_stackctl_files": stackctl.stackctl_files,
    "stack_programs": stackctl.launchers,
    "stack_packages": stack_packages,
    "stack_clocks": machine.clocks_apart,
    "stack_taken": machine.port_conflicts,
    "stack_neighbours": neighbours.reasons,
    "stack_unlike": machine.unlike,
    "stack_project": stack_project,
    "stack_environment": project.environment,
    "stack_credentials": project.credentials,
    "stack_release": release.of_project,
    "stack_unsorted": machine.unsorted,
    "stack_debians": stack_debians,
}


def _plain(value: Any) -> Any:
    """Without the wrappers in which Ansible hands over what it has not looked at yet."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value


def _adapted(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` with plain arguments, whose errors are Ansible's."""

    @wraps(function)
    def adapted(*arguments: Any) -> Any:
        try:
            return function(*map(_plain, arguments))
        except StackError as error:
            raise AnsibleFilterError(str(error)) from error

    return adapted


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Any]:
        """The filters by name."""
        return {name: _adapted(function) for name, function in FILTERS.items()}
