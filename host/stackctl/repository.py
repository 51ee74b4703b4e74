"""The repositories of the backups: made, tried, and given a first backup."""

from __future__ import annotations

import json

from . import backup, files, patroni, system
from .safe import StackctlError
from .stack import Stack

FOREIGN = "[028]"
"""pgBackRest's error when the repository holds another database's backups"""
KINDS = ("full", "incr")
USABLE = frozenset({0, 2})
"""valid backups, none yet"""
NO_STANZA = frozenset({1, 3})
"""states of `pgbackrest info`: no such path, no data"""


def apply(stack: Stack, again: bool = False) -> str:
    """Make repositories with a backup in each, or with `again` one more; returns what was done.
    Raises StackctlError."""
    if stack.file_backup is None:
        backup.require(stack)
    if stack.backup and not patroni.leads(stack):
        _require_reachable(stack)
        return "unchanged: the member that leads makes backups"
    if not again and any(system.busy(backup.unit(stack, kind)) for kind in KINDS):
        return "unchanged: a backup is being made, which has the repository for itself"
    done = _of_rows(stack, again) if stack.backup else []
    if stack.file_backup and (again or files.last_saved(stack) is None):
        system.start(files.unit(stack))
        done.append("files kept")
    return ", ".join(done) or "unchanged"


def _of_rows(stack: Stack, again: bool) -> list[str]:
    """What was done for the database. Each time a segment of WAL is sent there, and looked for."""
    done = _create(stack)
    backup.pgbackrest(stack, "check")
    if again or not backup.restorable_backups(stack):
        system.start(backup.unit(stack, "full"))
        done.append("full backup made")
    return done


def _require_reachable(stack: Stack) -> None:
    """Raise StackctlError unless this member could go on with it, once it leads."""
    stanzas = json.loads(backup.pgbackrest(stack, "--output=json", "info"))
    status = stanzas[0]["status"] if stanzas else {"code": min(NO_STANZA)}
    if status["code"] not in NO_STANZA | USABLE:
        raise StackctlError(f"The repository of the backups cannot be used: {status['message']}.")


def _create(stack: Stack) -> list[str]:
    """Make the stanza unless it is there. Raises StackctlError when it cannot be, or belongs to
    another database."""
    stanzas = json.loads(backup.pgbackrest(stack, "--output=json", "info"))
    fresh = not stanzas or stanzas[0]["status"]["code"] in NO_STANZA
    try:
        backup.pgbackrest(stack, "stanza-create")
    except StackctlError as error:
        if FOREIGN not in str(error):
            raise
        raise StackctlError(
            "The repository holds the backups of another database than the one that runs here. To "
            "bring that one "
            "back, run restore.yml; to begin anew, give another backup_path."
        ) from None
    return ["repository made"] if fresh else []
