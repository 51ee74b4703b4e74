"""The files of a target, and what it asks before they are written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pgstack.live import account
from pgstack.planning.plan import Plan
from pgstack.rendering import files
from pgstack.rendering.file import File
from pgstack.targets import database, directory


def write(plan: Plan, wanted: list[File]) -> list[Path]:
    """Write what differs of `wanted`, and the secrets that are not there; returns what changed.

    Raises StackError where the target cannot have them.
    """
    if (ask := BEFORE.get(plan.target)) is not None:
        ask(plan)
    files.ensure_secrets(plan)
    return files.write(wanted)


def _local(plan: Plan) -> None:
    directory.require(plan)
    account.enter(plan.accounts.web, Path(plan.paths.root), Path(plan.paths.app))


BEFORE: dict[str, Callable[[Plan], None]] = {
    "local": _local,
    "compose": database.require_locale,
}
"""by target; Ansible asks before it writes those of a host"""
