"""Backups: what the repository holds, whether WAL arrives there, and how old all of it is."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pgstack.planning import services
from pgstack.planning.databases import Backup

from . import patroni, postgres, rehearsed, system
from .line import Line
from .safe import StackctlError
from .stack import Stack

ARCHIVE_SECONDS = 60
"""for the last segment of WAL to arrive in the archive"""
ARCHIVE_LATE_SECONDS = 600
"""A segment that has waited for so long is a fault: archive_timeout is a minute, PostgreSQL tries
again each minute."""
ARCHIVE = """
    SELECT coalesce(extract(epoch FROM now() - last_archived_time)::bigint, -1),
           coalesce(last_failed_time > coalesce(last_archived_time, '-infinity'), false),
           (SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'),
           coalesce((SELECT extract(epoch FROM now() - min(modification))::bigint
                       FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'), 0)
      FROM pg_stat_archiver"""
RUNNING = "running"
"""result of a drill that has not ended; its `ended` is when it began"""
TIMELINE = 8
"""first characters of a segment's name"""
MINUTE, HOUR, DAY = 60, 3600, 86400
SPARE_BYTES = 1024**3
"""left on the disk beside a copy and its WAL: the database that serves needs it"""


@dataclass(frozen=True)
class Kept:
    """One backup in the repository; times in seconds since 1970, the size in bytes once it is
    restored."""

    label: str
    kind: str
    ended: int
    size: int
    timeline: str
    """its number, as names of WAL begin"""


def unit(stack: Stack, kind: str) -> str:
    """Name of the unit that makes a backup, `full` or `incr`."""
    return services.unit(stack, f"backup@{kind}.service")


def require(stack: Stack) -> Backup:
    """The plan's part. Raises StackctlError where there are no backups of a database."""
    if stack.backup is None and stack.file_backup:
        raise StackctlError(
            "The database is not on this host, which keeps files alone. See `stackctl files list`."
        )
    if stack.backup is None:
        raise StackctlError(
            "This host keeps no backups (backup: off). Set stack_inputs and run the playbook "
            "site.yml."
        )
    return stack.backup


def pgbackrest(stack: Stack, *words: str, before: Sequence[str] = ()) -> str:
    """What pgBackRest printed, as PostgreSQL's account. Raises StackctlError with the line that
    says what is wrong."""
    program = (*before, *require(stack).command.split())
    done = system.run(*program, *words, account=stack.accounts.postgres)
    if done.returncode:
        lines = [line.strip() for line in (done.stderr + done.stdout).splitlines()]
        raise StackctlError(
            next((line for line in lines if "ERROR:" in line), system.last_words(done))
        )
    return done.stdout


def restorable_backups(stack: Stack) -> list[Kept]:
    """The backups that can be restored, oldest first. Raises StackctlError when the repository
    cannot be read."""
    return parse(pgbackrest(stack, "--output=json", "info"))


def require_space(free: int, size: int) -> None:
    """Raise StackctlError unless `size` bytes fit into `free` ones with some to spare."""
    if free < size + SPARE_BYTES:
        raise StackctlError(
            f"{free // 1024**2} MB are free; a restore of {size // 1024**2} MB and its WAL need "
            f"{(size + SPARE_BYTES) // 1024**2} MB. Attach a larger disk."
        )


def restore_beside(stack: Stack, kept: Kept, data: Path, *target: str) -> None:
    """Bring a backup back beside the database that serves; `target` is where its recovery ends, in
    pgBackRest's words. What is started there archives nothing. Raises StackctlError."""
    made = ("install", "--directory", "--mode=0700", str(data))
    system.require(*made, account=stack.accounts.postgres)
    pgbackrest(
        stack,
        f"--pg1-path={data}",
        f"--tablespace-map-all={data}/tablespaces",
        "--archive-mode=off",
        *target,
        f"--set={kept.label}",
        "restore",
        before=system.CALM,
    )


def holds(stack: Stack, identifier: str) -> bool:
    """Whether the repository is that of the database with this system identifier. Raises
    StackctlError."""
    stanzas = json.loads(pgbackrest(stack, "--output=json", "info"))
    return any(
        str(database["system-id"]) == identifier for stanza in stanzas for database in stanza["db"]
    )


def finish_archive(stack: Stack) -> None:
    """Archive all that was committed until now, and a commit after it. Raises StackctlError.

    Recovery stops at a time only where a later commit follows: without one it says that WAL ended
    before it.
    """
    postgres.ask(stack, "SELECT pg_current_xact_id()")
    segment = postgres.ask(stack, "SELECT pg_walfile_name(pg_current_wal_insert_lsn())")
    postgres.ask(stack, "SELECT pg_switch_wal()")

    def arrived() -> bool:
        last = postgres.ask(stack, "SELECT coalesce(last_archived_wal, '') FROM pg_stat_archiver")
        return last[:8] == segment[:8] and last[:24] >= segment

    if not system.wait(arrived, ARCHIVE_SECONDS):
        raise StackctlError(
            f"The archive does not take WAL, see `stackctl backups`: {segment} has not arrived in "
            f"{ARCHIVE_SECONDS} s."
        )


def parse(text: str) -> list[Kept]:
    """Backups of the answer of `pgbackrest info`. Raises StackctlError when it says that the
    repository cannot be read."""
    stanzas = json.loads(text)
    status = stanzas[0]["status"] if stanzas else {"code": 1, "message": "no stanza"}
    if status["code"] not in (0, 2):  # 2: no valid backups
        raise StackctlError(f"The repository of the backups cannot be used: {status['message']}.")
    # After a major upgrade the others are of a version that this host no longer runs.
    current = (
        max((database["id"] for database in stanzas[0].get("db", [])), default=0) if stanzas else 0
    )
    usable = [
        Kept(
            kept["label"],
            kept["type"],
            kept["timestamp"]["stop"],
            kept["info"]["size"],
            kept["archive"]["stop"][:TIMELINE],
        )
        for kept in stanzas[0]["backup"]
        if not kept["error"] and kept["database"]["id"] == current
    ]
    return sorted(usable, key=lambda kept: kept.ended)


def report(stack: Stack) -> list[Line]:
    """Age of the last backup, of the archive and of the last drill, and what an earlier restore has
    left. Nothing where the database is not this host's."""
    part, now = stack.backup, time.time()
    if part is None:
        return []
    try:
        lines = [backups(restorable_backups(stack), now, part.oldest)]
    except StackctlError as error:
        lines = [Line("backup", str(error), good=False)]
    for name in (unit(stack, "full"), unit(stack, "incr")):
        if system.run("systemctl", "is-failed", name).returncode == 0:
            lines.append(Line("backup", f"{name} failed; see journalctl -u {name}", good=False))
    try:
        lines += [archive(postgres.ask(stack, ARCHIVE))] if patroni.leads(stack) else []
    except StackctlError as error:
        lines.append(Line("archive", str(error), good=False))
    lines.append(drill(rehearsed.read(stack), now, part.drill_oldest, part.time_limit))
    return lines + [
        Line("aside", f"{path}: delete it once you no longer need it") for path in aside(stack)
    ]


def proven(stack: Stack) -> list[Line]:
    """What a member of a cluster is asked: the one that leads for the whole report, each other
    whether it could go on with the repository, so that one fault has one report."""
    if stack.backup is None:
        return []
    if patroni.leads(stack):
        return report(stack)
    try:
        kept = restorable_backups(stack)
    except StackctlError as error:
        return [Line("backup", str(error), good=False)]
    return [Line("backup", f"{len(kept)} can be read; the member that leads tells how old")]


def backups(kept: Sequence[Kept], now: float, oldest: int) -> Line:
    """The newest backup, which may not be older than `oldest` seconds."""
    if not kept:
        return Line("backup", "none", good=False)
    last = kept[-1]
    first = age(now - kept[0].ended)
    text = (
        f"{last.label} ({last.kind}), {age(now - last.ended)} old; {len(kept)} kept, the oldest "
        f"{first} old"
    )
    late = now - last.ended > oldest
    return Line("backup", f"{text}: the next one is late" if late else text, not late)


def archive(row: str) -> Line:
    """The row of ARCHIVE: seconds since the last segment, whether one failed since, how many wait,
    and how long."""
    seconds, failed, waiting, waited = (row.split("|") + ["0"] * 3)[:4]
    if failed == "t" or int(waited) > ARCHIVE_LATE_SECONDS:
        text = (
            f"{waiting} segments of WAL wait, the oldest for {age(int(waited))}; see "
            f"/var/log/postgresql"
        )
        return Line("archive", text, good=False)
    return Line(
        "archive", "no WAL yet" if int(seconds) < 0 else f"last WAL {age(int(seconds))} ago"
    )


def drill(state: dict[str, Any] | None, now: float, oldest: int, limit: int) -> Line:
    """The last rehearsal: it must have passed at most `oldest` seconds ago, or run for at most
    `limit` seconds."""
    if state is None:
        return Line("drill", "none yet")
    since = now - state["ended"]
    if state["result"] == RUNNING:
        return Line("drill", f"began {age(since)} ago", since <= limit)
    text = f"{state['result']} {age(since)} ago"
    if state["result"] != "passed":
        return Line("drill", f"{text}: {state['error']}", good=False)
    text += f" in {state['seconds']} s, {state['backup']} up to {state['recovered_to']}"
    text += f", {state['tables']} tables"
    late = since > oldest
    return Line("drill", f"{text}: the next one is late" if late else text, not late)


def aside(stack: Stack) -> list[Path]:
    """Data directories that restores have set aside, oldest first."""
    data = Path(stack.paths.data)
    return sorted(data.parent.glob(f"{data.name}.before-*"))


def age(seconds: float) -> str:
    """`3 h`, in the largest unit of which there are two."""
    for size, name in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size:.0f} {name}"
    return f"{max(seconds, 0):.0f} s"
