"""The repository of the backups: made, tried, and given a first backup."""

from __future__ import annotations

import json

from . import backup, files, system
from .safe import StackctlError
from .stack import Stack

FOREIGN = "[028]"
"""pgBackRest's error when the repository holds another database's backups"""
NO_STANZA = frozenset({1, 3})
"""states of `pgbackrest info`: no such path, no data"""


def apply(stack: Stack, again: bool = False) -> str:
    """Make a repository with a backup in it, or with `again` one more; returns what was done.
    Raises StackctlError.

    Each time a segment of WAL is sent there, and looked for.
    """
    done = _create(stack)
    backup.pgbackrest(stack, "check")
    if again or not backup.restorable_backups(stack):
        system.start(backup.unit(stack, "full"))
        done.append("full backup made")
    if backup.require(stack).files and (again or not files.were_saved(stack)):
        system.start(files.unit(stack))
        done.append("files kept")
    return ", ".join(done) or "unchanged"


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
