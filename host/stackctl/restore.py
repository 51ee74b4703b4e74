"""The database and the files as they were: a backup takes the place of the data directory, which
is kept aside, and WAL is replayed.

Apache is stopped meanwhile, so that no request sees or changes a database that is being restored.
When it fails, or is cut off before the target is reached, the data directory that was there comes
back; one that is cut off later is completed.
"""

from __future__ import annotations

import math
import shutil
import signal
import time
from datetime import UTC, datetime
from pathlib import Path

from . import (
    alone,
    apache,
    backup,
    files,
    files_back,
    patroni,
    postgres,
    recovery,
    release,
    replay,
    schedule,
    system,
    timelines,
    under_way,
    workers,
)
from .drill import unit as drill_unit
from .files_back import say, site_down
from .recovery import Target
from .safe import StackctlError
from .stack import Stack
from .under_way import Mark

SPARE_BYTES = 1024**3
"""for WAL that is replayed"""
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
    if data.is_mount():
        raise StackctlError(
            f"{data} is a file system of its own, which cannot be kept aside. Restore by hand with "
            "pgbackrest."
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
    signal.signal(signal.SIGTERM, signal.default_int_handler)
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
        aside = _exchange(stack, options, moment)
        _complete(stack, aside, moment, snapshot)
    under_way.end(stack)
    system.run("systemctl", "start", "--no-block", backup.unit(stack, "incr"))
    kept = (
        f" What was there before is in {aside}; delete it once you no longer need it."
        if aside
        else ""
    )
    return f"{text}: reached at {recovery.moment_text(time.time())}.{kept}"


def settle(stack: Stack) -> str:
    """What a restore has left that was cut off: the database of before, or the restored one where
    its recovery has ended. The site runs again; returns what was done, empty for nothing. To be
    called with the lock. Raises StackctlError."""
    mark = under_way.read(stack)
    if mark is None:
        return ""
    if stack.cluster and patroni.leads(stack):
        under_way.end(stack)
        return "a restore was cut off once this member led with what was restored."
    under_way.stop(stack)
    if under_way.recovered(stack, mark) and not _led_elsewhere(stack):
        replay.recover(stack)
        _settle(stack, mark.aside, mark.moment)
        under_way.end(stack)
        done = "The database is the restored one. `stackctl files restore` brings files back."
    else:
        done = f"{under_way.put_back(stack, mark)} Run it again."
    files_back.serve_again(stack)
    workers.resume(stack)
    return f"a restore was cut off. {done}"


def _led_elsewhere(stack: Stack) -> bool:
    try:
        alone.require(stack)
    except StackctlError:
        return True
    return False


def _complete(stack: Stack, aside: Path | None, moment: float, snapshot: str) -> None:
    """What follows the recovery. Raises StackctlError; the database stays restored."""
    try:
        reached = _settle(stack, aside, moment)
        # Rounded up: whoever looks for files by it finds none that are older than a row.
        say(f"The database is as of {recovery.moment_text(math.ceil(reached))}.")
        if stack.file_backup:
            _bring_files(stack, reached, snapshot)
    except StackctlError:
        under_way.end(stack)
        raise


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


def _exchange(stack: Stack, options: list[str], moment: float) -> Path | None:
    """Put the restored database into the place of the old one; returns where that is. Raises
    StackctlError, with it back."""
    data = Path(stack.paths.data)
    system.stop(postgres.unit(stack))
    had = data.is_dir() and any(data.iterdir())
    named = data.with_name(f"{data.name}.before-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    mark = Mark(named if had else None, moment)
    try:
        mark = under_way.set_aside(stack, mark)
        if mark.aside:
            say(f"The database that was there is kept in {mark.aside}.")
        _bring_back(stack, data, options)
        alone.require(stack)
        replay.recover(stack)
    except (StackctlError, KeyboardInterrupt, OSError) as error:
        reason = str(error) or "It was stopped."
        raise StackctlError(f"{reason}\n{under_way.put_back(stack, mark)}") from None
    return mark.aside


def _bring_back(stack: Stack, data: Path, options: list[str]) -> None:
    under_way.as_postgres(stack, "install", "--directory", "--mode=0700", str(data))
    say(f"Copying the backup: {' '.join(options)}")
    try:
        backup.pgbackrest(stack, *options, "restore")
    except StackctlError as error:
        raise StackctlError(
            f"The backup cannot be copied: {error}\nOnce that is mended, run it again; `--set` "
            "takes another backup."
        ) from None


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
