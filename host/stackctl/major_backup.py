"""The copy that a rehearsal works on: the last backup and its archive, which puts no load on the
server that serves and proves the backup. Where there is none, that server is copied."""

from __future__ import annotations

import shutil
import time
from contextlib import suppress

from . import backup, major_copy, postgres, scratch, system
from .backup import Kept
from .safe import StackctlError
from .scratch import Scratch
from .stack import Stack

POLL_SECONDS = 0.2
OF_RECOVERY = ("restore_command", "recovery_target_lsn")
"""settings that pgBackRest writes"""


def make(old: Stack) -> tuple[Scratch, str]:
    """A copy that can be promoted, and what it was made of. Raises StackctlError, with the remedy,
    for backups that cannot be restored."""
    began = time.monotonic()
    last = _last(old)
    server = _restored(old, last) if last else major_copy.make(old)
    return server, told(last, time.monotonic() - began)


def told(last: Kept | None, seconds: float) -> str:
    """What it was made of, in so many seconds."""
    if last is None:
        return f"copied from the server that serves in {seconds:.0f} s: there is no backup"
    return f"copied from the backup {last.label} and its archive in {seconds:.0f} s"


def _last(old: Stack) -> Kept | None:
    """The newest backup; None where there is none yet, or the stack keeps none."""
    if old.backup is None:
        return None
    try:
        return next(reversed(backup.restorable_backups(old)), None)
    except StackctlError as error:
        raise StackctlError(
            f"{error}\nA rehearsal works on a copy of the last backup; nothing was changed. Once "
            f"`{old.names.stackctl} backups` can read them, run it again."
        ) from None


def _restored(old: Stack, last: Kept) -> Scratch:
    """All that was committed until now, as a standby."""
    server, seconds = major_copy.copy(old), backup.require(old).time_limit
    backup.require_space(shutil.disk_usage(server.data.parent).free, last.size)
    end = postgres.ask(old, "SELECT pg_current_wal_insert_lsn()")
    backup.finish_archive(old)
    try:
        backup.restore_beside(old, last, server.data, "--type=lsn", f"--target={end}")
        server.start(seconds=seconds)
        _replay(server, end, seconds)
        _stand_by(server)
    except StackctlError as error:
        raise StackctlError(
            f"The backup {last.label} cannot be restored, and a rehearsal works on a copy of it: "
            f"{error}\nNothing was changed. Make another one (systemctl start "
            f"{backup.unit(old, 'full')}), and run it again."
        ) from None
    return server


def _replay(server: Scratch, end: str, seconds: float) -> None:
    """Wait until it has replayed WAL as far as `end`. Raises StackctlError with what its log
    says."""
    sockets = str(scratch.place(server.stack))
    query = f"SELECT coalesce(pg_last_wal_replay_lsn() > '{end}'::pg_lsn, false)"

    def arrived() -> bool:
        if server.control("status").returncode:
            raise StackctlError(server.fatal())
        with suppress(StackctlError), scratch.connected(server.stack, sockets, "postgres") as asked:
            return scratch.rows(asked, query) == [(True,)]
        return False

    if not system.wait(arrived, seconds, POLL_SECONDS):
        raise StackctlError(f"it has not arrived at {end} in {seconds} s.")


def _stand_by(server: Scratch) -> None:
    """Have it be what an upgrade's copy is: that asks no archive when it is promoted, and does not
    wait in a pause of its recovery for up to a second."""
    stack = server.stack
    with scratch.connected(stack, str(scratch.place(stack)), "postgres") as connection:
        scratch.execute(connection, *(f"ALTER SYSTEM RESET {name}" for name in OF_RECOVERY))
    server.stop()
    signals = (str(server.data / f"{kind}.signal") for kind in ("recovery", "standby"))
    system.require("mv", "-T", *signals, account=stack.accounts.postgres)
    server.start()
