"""The files of a target, and what is asked before they are written."""

from __future__ import annotations

from pathlib import Path

from pgstack.external.server import Server
from pgstack.live import account
from pgstack.ops import rendered
from pgstack.planning import targets
from pgstack.planning.plan import Plan
from pgstack.rendering.file import File
from pgstack.targets import database, directory, external
from pgstack.targets.run import Say


def write(plan: Plan, wanted: list[File], server: Server | None, say: Say) -> list[Path]:
    """Write what differs of `wanted`, and the secrets that are not there; returns what changed.

    Roles and passwords on a `server` of others come first.

    Raises StackError where the target cannot have them. Of a host Ansible asks before it writes.
    """
    target = targets.of(plan.target)
    if target.own_directory:
        directory.require(plan)
        account.enter(plan.accounts.web, Path(plan.paths.root), Path(plan.paths.app))
    if target.image:
        database.require_locale(plan)
    external.prepare(plan, server, say)
    rendered.ensure_secrets(plan)
    return rendered.write(wanted)
