"""The database and the files as they were: a backup takes the place of the data directory, which
is kept aside, and WAL is replayed.

Apache is stopped meanwhile, so that no request sees or changes a database that is being restored.
When the target cannot be reached, the data directory that was there comes back.
"""

from __future__ import annotations

import math
import re
import shutil
import signal
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from . import (
    alone,
    apache,
    backup,
    files,
    files_back,
    postgres,
    recovery,
    release,
    schedule,
    system,
    timelines,
    workers,
)
from .drill import unit as drill_unit
from .files_back import say, site_down
from .recovery import Target
from .safe import StackctlError
from .stack import Stack

SPARE_BYTES = 1024**3
"""for WAL that is replayed"""
START_SECONDS = 5
"""for a server without a unit to write its process id"""
LEFT_BEHIND = (
    "restore_command",
    "recovery_target_time",
    "recovery_target_xid",
    "recovery_target_name",
    "recovery_target_action",
    "recovery_target_timeline",
)
"""settings that pgBackRest writes for the recovery"""


def plan(
    stack: Stack, text: str, label: str = "", timeline: str = ""
) -> tuple[Target, float, list[str]]:
    """The target, a moment in seconds since 1970 that it is not before, and pgBackRest's options
    for it.

    Raises StackctlError where it cannot be reached; nothing is changed.
    """
    target = recovery.parse(text)
    kept = backup.restorable_backups(stack)
    begin = recovery.choose(target, kept, time.time(), label)
    if not timeline:
        timelines.check(target.moment, timelines.read(stack))
    data = Path(stack.paths.data)
    free = shutil.disk_usage(data.parent).free
    if free < begin.size + SPARE_BYTES:
        raise StackctlError(
            f"{data.parent}: {free // 1024**2} MB are free, "
            f"{(begin.size + SPARE_BYTES) // 1024**2} MB are "
            "needed: the old data directory is kept. Free some, or attach a larger disk."
        )
    if data.is_dir() and any((data / "pg_tblspc").glob("*")):
        raise StackctlError(
            f"{data}/pg_tblspc: tablespaces elsewhere cannot be kept aside. Restore by hand with "
            f"pgbackrest."
        )
    return target, target.moment or begin.ended, recovery.options(target, begin, timeline)


def run(stack: Stack, text: str, label: str = "", timeline: str = "", snapshot: str = "") -> str:
    """Restore; returns what was done. Raises StackctlError, and says what the database is then."""
    alone.require(stack)
    target, moment, options = plan(stack, text, label, timeline)
    if stack.file_backup:
        files_back.require(stack, snapshot)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the connection of who typed it may end
    for name in (
        drill_unit(stack),
        backup.unit(stack, "full"),
        backup.unit(stack, "incr"),
        *files.units(stack),
    ):
        system.stop(name)
    if system.active(postgres.unit(stack)):
        _finish_archive(stack, target)
    with schedule.stopped(stack), workers.stopped(stack), site_down(stack):
        aside = _exchange(stack, options)
        reached = _settle(stack, aside, moment)
        # Rounded up: whoever looks for files by it finds none that are older than a row.
        say(f"The database is as of {recovery.moment_text(math.ceil(reached))}.")
        if stack.file_backup:
            _bring_files(stack, reached, snapshot)
    system.run("systemctl", "start", "--no-block", backup.unit(stack, "incr"))
    kept = (
        f" What was there before is in {aside}; delete it once you no longer need it."
        if aside
        else ""
    )
    return f"{text}: reached at {recovery.moment_text(time.time())}.{kept}"


def _bring_files(stack: Stack, reached: float, snapshot: str) -> None:
    try:
        say(f"The site has {files_back.bring_back(stack, reached, snapshot)}.")
    except StackctlError as error:
        raise StackctlError(
            f"The database is restored, and {error}\nOnce that is fixed: `stackctl files restore`."
        ) from None


def _finish_archive(stack: Stack, target: Target) -> None:
    """Archive everything. Raises StackctlError, also for a transaction that has not happened."""
    current = int(postgres.ask(stack, "SELECT pg_current_xact_id()"))
    if target.kind == "xid" and int(target.value) >= current:
        raise StackctlError(
            f"transaction {target.value} has not happened yet: the next one is {current}."
        )
    if not backup.holds(
        stack, postgres.ask(stack, "SELECT system_identifier FROM pg_control_system()")
    ):
        return  # a new host: the database that runs is an empty one, and the repository another's
    try:
        backup.finish_archive(stack)
    except StackctlError as error:
        raise StackctlError(f"{error} Stop PostgreSQL first to restore without it.") from None


def _exchange(stack: Stack, options: list[str]) -> Path | None:
    """Put the restored database into the place of the old one; returns where that is. Raises
    StackctlError, with it back."""
    data = Path(stack.paths.data)
    system.stop(postgres.unit(stack))
    aside = data.with_name(f"{data.name}.before-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    had = data.is_dir() and any(data.iterdir())
    if had:
        _as_postgres(stack, "mv", "--no-target-directory", str(data), str(aside))
        say(f"The database that was there is kept in {aside}.")
    try:
        _bring_back(stack, data, options)
        _recover(stack)
    except (StackctlError, KeyboardInterrupt) as error:
        _stop(stack)
        if had:
            system.run("rm", "--recursive", "--force", str(data), account=stack.accounts.postgres)
            _as_postgres(stack, "mv", "--no-target-directory", str(aside), str(data))
            system.run("systemctl", "start", postgres.unit(stack))
        back = "The database is as it was before, and runs." if had else "There is no database."
        raise StackctlError(f"{error}\n{back}") from None
    return aside if had else None


def _bring_back(stack: Stack, data: Path, options: list[str]) -> None:
    _as_postgres(stack, "install", "--directory", "--mode=0700", str(data))
    say(f"Copying the backup: {' '.join(options)}")
    backup.pgbackrest(stack, *options, "restore")


def _as_postgres(stack: Stack, *command: str) -> None:
    """What changes PostgreSQL's own directory, where it may have put links: with its rights and not
    root's."""
    system.require(*command, account=stack.accounts.postgres)


def _recover(stack: Stack) -> None:
    """Start PostgreSQL and wait until it has replayed what it should. Raises StackctlError with
    what its log says."""
    log = _log(stack)
    written = system.length(log)
    say("Replaying WAL.")
    if stack.cluster:
        alone.start(stack)
    else:
        system.run("systemctl", "start", postgres.unit(stack))

    def ended() -> bool:
        if not _lives(stack):
            raise StackctlError(f"The target cannot be reached: {_fatal(log, written)}")
        with suppress(StackctlError):
            return postgres.ask(stack, "SELECT pg_is_in_recovery()") == "f"
        return False

    if not system.wait(ended, backup.require(stack).time_limit, 0.5):
        raise StackctlError("The recovery takes too long.")


def _log(stack: Stack) -> Path:
    """Where PostgreSQL says why it ends."""
    if stack.cluster:
        return alone.log(stack)
    return Path(
        f"/var/log/postgresql/postgresql-{stack.versions.postgresql}-{stack.names.cluster}.log"
    )


def _lives(stack: Stack) -> bool:
    """Whether the server that replays does. One that ended, and was perhaps started again, is taken
    no further by that."""
    if stack.cluster:
        return system.wait(lambda: alone.runs(stack), START_SECONDS)
    unit = postgres.unit(stack)
    return system.active(unit) and not system.restarted(unit)


def _stop(stack: Stack) -> None:
    """Whoever has started it."""
    system.stop(postgres.unit(stack))
    if stack.cluster:
        alone.stop(stack)


def _fatal(log: Path, written: int) -> str:
    lines = system.since(log, written)
    # Of the server itself: what a client was refused with has its name and database there.
    return next((line for line in lines if re.search(r"\] (FATAL|PANIC): ", line)), f"see {log}")


def _settle(stack: Stack, aside: Path | None, moment: float) -> float:
    """What the release needs of a database, however old that is; returns the moment that was
    reached. Raises StackctlError; the database stays restored."""
    try:
        replayed = postgres.ask(
            stack, "SELECT coalesce(extract(epoch FROM pg_last_xact_replay_timestamp()), 0)"
        )
        reached = max(moment, float(replayed))
        if aside:
            timelines.add(stack, timelines.Left(timelines.of(stack, aside), reached, time.time()))
        for name in LEFT_BEHIND:
            postgres.ask(stack, f"ALTER SYSTEM RESET {name}")
        # What is left of the recovery's settings goes with a restart.
        if stack.cluster:
            alone.hand_over(stack)
        else:
            system.require("systemctl", "restart", postgres.unit(stack))
            postgres.apply(stack)
        if (stack.root / "current").is_symlink():  # none yet on a new host
            release.manage(stack, apache.current(stack), *release.MIGRATE)
    except StackctlError as error:
        raise StackctlError(
            f"The database is restored, and this failed after it: {error}"
        ) from None
    return reached
