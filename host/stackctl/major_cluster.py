"""One major version of PostgreSQL gives way to the other in a cluster: on the member that leads,
while nobody leads and requests wait for that. The other members copy it afterwards.

What is in force is a note in etcd (epoch), for all members; each makes its own plan follow.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from pgstack.errors import ProbeError
from pgstack.live.probes.etcd import Value

from . import (
    backup,
    epoch,
    major_checks,
    major_copy,
    major_files,
    major_switch,
    membership,
    patroni,
    postgres,
    safe,
    scratch,
    system,
)
from .epoch import Epoch
from .major_files import Change, Files
from .major_switch import Held
from .postgres import upgrade_mark
from .safe import StackctlError
from .scratch import Scratch
from .stack import Stack

QUIET_SECONDS = 5
"""for transactions to end once requests wait"""
STOP_SECONDS, SWITCH_SECONDS = 3.0, 6.0
"""for requests to wait on all web hosts, transactions and the server to end; for Patroni to start
the new version and to lead with it"""
LEADS_SECONDS = 60
POLL_SECONDS = 0.05
BUSY = """
    SELECT count(*) FROM pg_stat_activity
     WHERE backend_type = 'client backend' AND usename = '{app}' AND state <> 'idle'"""


class Taken(Held):
    """Requests wait, since this member has the leader's lock and does not lead."""

    def __init__(self, longest: float, lock: Value) -> None:
        super().__init__(longest)
        self.lock = lock


def require(stack: Stack) -> Iterator[str]:
    """What stands against it on this member."""
    part = patroni.part(stack)
    if not patroni.leads(stack):
        yield "this member does not lead: run it on the one that does"
    if part.watchdog != "off":
        yield (
            f"stack_inputs.watchdog={part.watchdog}: it would reset this host while Patroni "
            "is away. Set it to off, and run the playbook site.yml"
        )
    yield from (
        f"{line.text}: all members have to be there, to learn which version is in force"
        for line in membership.report(stack)
        if not line.good
    )


@contextmanager
def held(here: Stack) -> Iterator[Taken]:
    """Within it requests wait, and the server of this plan is stopped. An error leaves it so: the
    unit ends then, and `settle` follows."""
    part = patroni.part(here)
    if here.backup:  # a server does not end before it has tried to
        backup.finish_archive(here)
    safe.write(upgrade_mark(here), b"")
    postgres.ask(here, "CHECKPOINT")
    _end_patroni(here)
    left = Taken(part.follower.hold, epoch.keep_lock(part))
    time.sleep(part.follower.poll + part.follower.answer)
    busy = BUSY.format(app=here.roles.app)
    if not system.wait(lambda: postgres.ask(here, busy) == "0", QUIET_SECONDS, POLL_SECONDS):
        raise StackctlError(
            "a transaction does not end, so requests cannot be held back, and the version of "
            f"before serves. `{here.names.stackctl} status` shows who is at work."
        )
    print(f"paused: {left.longest - left():.2f} s", flush=True)
    Scratch(here, Path(here.paths.data)).stop()
    print(f"stopped: {left.longest - left():.2f} s", flush=True)
    yield left
    safe.remove(upgrade_mark(here))


def _end_patroni(here: Stack) -> None:
    """End it and leave PostgreSQL, which it would stop; the lease is kept. Its members see that
    nobody answers here, and that this one has the lock."""
    unit = patroni.unit(here)
    system.run("systemctl", "kill", "--signal=KILL", "--kill-whom=main", unit)
    system.stop(unit)


def take_over(
    sides: Change, fresh: Scratch, before: major_copy.Collations, left: Taken, opened: ExitStack
) -> tuple[list[str], major_checks.Frozen]:
    """Have the new version serve; returns indexes that were rebuilt, and what there was before
    anybody wrote."""
    old, new, files = sides
    steps: scratch.Steps = {}
    with scratch.timed(steps, "start"):
        fresh.start()
    with scratch.timed(steps, "complete"):
        rebuilt = major_copy.complete(new, str(scratch.place(old)), before, left())
        major_copy.roles(new, files)
        fresh.stop()
    with scratch.timed(steps, "switch"):
        end = scratch.control_data(old, Path(old.paths.data))[1]
        _change(old, new, end, left)
        lead(new, files)
        asked = opened.enter_context(major_checks.frozen(new, new.paths.run_postgres))
        _released(old, new, left)
    return rebuilt, asked


def _change(here: Stack, there: Stack, end: str, left: Taken) -> None:
    """From now on the other version is in force, and nobody leads."""
    if left() < SWITCH_SECONDS:
        raise StackctlError(
            f"fewer than {SWITCH_SECONDS:g} s are left of the {left.longest:g} that requests can "
            "wait, so the version of before serves."
        )
    part = patroni.part(here)
    systems = [scratch.system_identifier(side, Path(side.paths.data)) for side in (here, there)]
    now = epoch.current(part)
    number = now.number + 1 if now else 1
    wanted = Epoch(number, there.versions.postgresql, systems[1], end, time.time())
    epoch.change(part, left.lock, systems[0], wanted)


def lead(there: Stack, files: Files) -> None:
    """Start Patroni with this plan; it may lead once nobody has the lock."""
    major_files.commit(there, files)
    patroni.fill(there)
    system.start(patroni.unit(there))
    if not system.wait(lambda: postgres.answers(there), LEADS_SECONDS, POLL_SECONDS):
        raise StackctlError(
            f"PostgreSQL {there.versions.postgresql} does not answer. See journalctl -u "
            f"{patroni.unit(there)}."
        )


def _released(here: Stack, there: Stack, left: Held) -> None:
    epoch.end_lock(patroni.part(there))
    if not system.wait(lambda: _writes(there), LEADS_SECONDS, POLL_SECONDS):
        raise StackctlError(
            f"this member does not lead with PostgreSQL {there.versions.postgresql}, which is in "
            f"force. See journalctl -u {patroni.unit(there)}."
        )
    left.end()
    major_files.note_served(there, here)
    _set_up(there)


def _writes(stack: Stack) -> bool:
    """Whether this member takes writes: Patroni says that it leads a moment earlier."""
    with suppress(StackctlError):
        return postgres.ask(stack, "SELECT NOT pg_is_in_recovery()") == "t"
    return False


def _set_up(there: Stack) -> None:
    postgres.roles(there)
    patroni.share(there)


def bring_back(new: Stack, old: Stack, files: Files, left: Taken) -> None:
    """Have the old version serve again."""
    _change(new, old, scratch.control_data(new, Path(new.paths.data))[1], left)
    lead(old, files)
    _released(new, old, left)


def require_all(old: Stack) -> None:
    """Raise StackctlError unless this member has all that the old version has acknowledged."""
    now = epoch.current(patroni.part(old))
    mine = scratch.control_data(old, Path(old.paths.data))[1]
    if now is None or _bytes(mine) < _bytes(now.end):
        raise StackctlError(
            f"{old.paths.data} ends at {mine}, and PostgreSQL {old.versions.postgresql} had "
            "written more; nothing was changed. Have another member lead "
            f"({old.names.stackctl} switchover), and run it there."
        )


def _bytes(position: str) -> int:
    high, low = position.split("/")
    return (int(high, 16) << 32) + int(low, 16)


def lags(stack: Stack) -> bool:
    """Whether another version is in force than this member's plan says."""
    if stack.cluster is None or not stack.cluster.member or not _staged(stack):
        return False
    with suppress(ProbeError):
        now = epoch.current(stack.cluster)
        return now is not None and now.version != stack.versions.postgresql
    return False


def settle(stack: Stack) -> str:
    """Whatever was cut off, or has happened elsewhere: this member has the version in force, and
    Patroni runs; returns what was done. To be called with the lock."""
    try:
        now = epoch.current(patroni.part(stack))
    except ProbeError as error:
        raise StackctlError(f"{error}: which version is in force cannot be known.") from None
    if now and now.version != stack.versions.postgresql:
        return _become(stack, now)
    done = ""
    if upgrade_mark(stack).exists():
        patroni.fill(stack)
        system.start(patroni.unit(stack))
        if now and _leads_with(stack):
            _set_up(stack)
            major_switch.follow(stack)
        safe.remove(upgrade_mark(stack))
        done = f"PostgreSQL {stack.versions.postgresql} is in force: an upgrade was cut off"
    major_switch.tidy(stack)
    return done or "nothing was left half-way"


def _leads_with(stack: Stack) -> bool:
    """Whether this member leads with the version in force, which it alone may have."""
    system.wait(lambda: postgres.answers(stack), LEADS_SECONDS, POLL_SECONDS)
    with suppress(ProbeError):  # else nobody leads for the rest of a lease
        epoch.end_lock(patroni.part(stack))
    return system.wait(lambda: _writes(stack), LEADS_SECONDS, POLL_SECONDS)


def _become(stack: Stack, now: Epoch) -> str:
    """Have this member's plan be that of the version in force; Patroni copies the leader, or goes
    on with what this member had of it."""
    versions = stack.versions.postgresql, now.version
    files = _staged(stack).get(now.version)
    if files is None:
        raise StackctlError(
            f"the cluster has PostgreSQL {versions[1]}, and this member's plan is for "
            f"{versions[0]}. Set stack_inputs.postgresql: {versions[1]}, and run the playbook "
            "upgrade.yml."
        )
    there = major_files.plan_of(stack, files)
    if versions[0] < versions[1] and versions[0] not in _staged(stack):
        major_files.keep(stack, files, major_files.OLD)
    system.stop(patroni.unit(stack))
    Scratch(stack, Path(stack.paths.data)).stop()
    _make_room(stack, there, now)
    major_files.commit(there, files)
    patroni.fill(there)
    system.start(patroni.unit(there))
    major_files.note_served(there, stack)
    safe.remove(upgrade_mark(there))
    return f"PostgreSQL {versions[1]} is in force, and takes the place of {versions[0]} here"


def _make_room(here: Stack, there: Stack, now: Epoch) -> None:
    """A directory for the version in force, which is empty or has its data; what was written to one
    that gives way to an older one is kept aside."""
    if here.versions.postgresql > now.version:
        major_copy.set_aside(here)
        safe.remove(here.conf / "upgrade" / major_files.SERVED)
    data = Path(there.paths.data)
    if (data / "PG_VERSION").exists() and scratch.system_identifier(there, data) != now.system:
        major_copy.set_aside(there)
    major_copy.make_home(there)


def _staged(stack: Stack) -> dict[int, Files]:
    """Files of each version that this member has."""
    known = (scratch.load(stack, name) for name in (major_files.NEW, major_files.OLD))
    return {
        major_files.plan_of(stack, files).versions.postgresql: files for files in known if files
    }
