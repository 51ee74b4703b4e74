"""What root finds out for the exporter, which may read neither the repository of backups nor what a
drill has left: one small file for each, in a directory that root alone writes.

What cannot be found out stays as it was known last, so its age tells.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pgstack.live.probes import members
from pgstack.planning.metrics import Fact, FactName, Metrics, fact_file

from . import (
    backup,
    files,
    haproxy,
    membership,
    patroni,
    postgres,
    registry,
    rehearsed,
    safe,
    status,
    system,
)
from .manage import VERIFY
from .safe import StackctlError
from .stack import Stack

OF_REPOSITORY: tuple[FactName, ...] = ("backup", "drill")
TIMELINE = "SELECT substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8)"


def find_out(stack: Stack) -> str:
    """Look at backups and the last drills; returns what there is. Raises StackctlError when the
    repository of the database cannot be read."""
    if stack.metrics is None or not (stack.backup or stack.file_backup):
        return "nothing to find out"
    if stack.backup and not patroni.leads(stack):
        return _leave_to_leader(stack.metrics)
    done = []
    drills = [drill for drill in _drills(stack) if drill and drill["result"] != backup.RUNNING]
    if drills:
        oldest = min(float(drill["ended"]) for drill in drills)
        passed = all(drill["result"] == "passed" for drill in drills)
        done.append(_note(stack, "drill", oldest, passed))
    backups = backup.restorable_backups(stack) if stack.backup else []
    saved = files.last_saved(stack) if stack.file_backup else None
    ended = [float(moment) for moment in (*(each.ended for each in backups[-1:]), saved) if moment]
    if ended and (backups or stack.backup is None):
        done.append(_note(stack, "backup", min(ended), passed=True))
    if backups:
        done += _followed(stack, backups[-1])
    return ", ".join(done) or "nothing yet"


def _drills(stack: Stack) -> Iterator[dict[str, Any] | None]:
    """The last of the database, and the last of files."""
    if stack.backup:
        yield rehearsed.read(stack)
    if stack.file_backup:
        yield files.last_drill(stack)


def _leave_to_leader(part: Metrics) -> str:
    """All members have the same repository: one of them tells how old it is."""
    for name in OF_REPOSITORY:
        fact_file(part, name).unlink(missing_ok=True)
    return "the member that leads tells"


def _followed(stack: Stack, last: backup.Kept) -> list[str]:
    """A backup once another member leads: the one before may have been lost with WAL that it had
    not archived, so nothing after that can be reached from an older backup."""
    if stack.cluster is None or postgres.ask(stack, TIMELINE) == last.timeline:
        return []
    unit = backup.unit(stack, "incr")
    system.require("systemctl", "start", "--no-block", unit)
    return [f"{unit} begins: another member leads since the last one"]


def verify(stack: Stack) -> int:
    """Compare what runs with the plan, and note how it went; returns stack_verify's status."""
    if not {"apache", "haproxy"} & {*stack.services} and stack.cluster is None:
        raise StackctlError(f"a {stack.part} host has no release, whose command this is.")
    begun = time.time()
    text, status = _release(stack) if "apache" in stack.services else _servers(stack)
    print(text, end="", flush=True)
    if stack.metrics:
        _note(stack, "verify", begun, passed=not status)
    return status


def _release(stack: Stack) -> tuple[str, int]:
    done = system.run(stack.names.manage, VERIFY)
    return done.stdout + done.stderr, done.returncode


def _servers(stack: Stack) -> tuple[str, int]:
    """What a host without a release is asked. A member knows its cluster, its own servers and the
    backups; a balancer its own servers and the web hosts behind it."""
    if "haproxy" in stack.services:
        lines = [*registry.report(stack), *haproxy.report(stack)]
    else:
        elected = membership.report(stack, members.settled)
        lines = [status.of_postgres(stack), *elected, *backup.proven(stack)]
    text = "".join(f"{line.name:<10} {line.text}\n" for line in lines)
    return text, 0 if all(line.good for line in lines) else 1


def store(stack: Stack, file: Path, text: str, mode: int = 0o644) -> None:
    """A file in the directory of facts, which is made where it is not there."""
    safe.make_directory(file.parent, 0o750, group=stack.accounts.metrics)
    safe.write(file, text.encode(), mode)


def _note(stack: Stack, name: FactName, moment: float, passed: bool) -> str:
    if stack.metrics:
        text = Fact(moment=moment, passed=passed).model_dump_json()
        store(stack, fact_file(stack.metrics, name), f"{text}\n")
    return f"{name} {'passed' if passed else 'failed'} {backup.age(time.time() - moment)} ago"
