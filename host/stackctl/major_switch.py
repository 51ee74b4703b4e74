"""One major version of PostgreSQL gives way to the other, with requests held back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pgstack.ops import major as major_ops
from pgstack.planning.services import postgres_program

from . import (
    apache,
    backup,
    major_checks,
    major_copy,
    major_files,
    pgbouncer,
    postgres,
    safe,
    scratch,
    system,
    workers,
)
from .major_files import AUTO, MANUAL, Change, Files
from .postgres import upgrade_mark
from .safe import StackctlError
from .scratch import Scratch
from .stack import Stack

STOP_SECONDS, SWITCH_SECONDS = major_ops.STOP_SECONDS, major_ops.SWITCH_SECONDS


class Held:
    """How long requests have waited, of `longest` seconds."""

    def __init__(self, longest: float) -> None:
        self.longest = longest
        self.began = time.monotonic()
        self.seconds = 0.0

    def __call__(self) -> float:
        """Seconds that are left. Raises StackctlError when there are none."""
        left = self.longest - (time.monotonic() - self.began)
        if left <= 0:
            raise StackctlError(
                f"it takes longer than the {self.longest:g} s that requests can wait, so the "
                "version of before serves."
            )
        return left

    def end(self) -> None:
        """They go on."""
        self.seconds = time.monotonic() - self.began

    def text(self) -> str:
        """For people."""
        return f"requests were held back for {self.seconds:.1f} s of {self.longest:g}"


@contextmanager
def held(here: Stack) -> Iterator[Held]:
    """Within it requests wait, and the server of this plan is stopped. An error leaves it so: the
    unit ends then, and `settle` follows."""
    with workers.stopped(here):
        safe.write(upgrade_mark(here), b"")
        apache.disable_keepalive(here)
        postgres.ask(here, "CHECKPOINT")
        left = Held(here.pooler.hold)
        if not pgbouncer.pause(here):
            raise StackctlError(
                "a transaction does not end, so requests cannot be held back; nothing was changed. "
                f"`{here.names.stackctl} status` shows who is at work."
            )
        print(f"paused: {left.longest - left():.2f} s", flush=True)
        system.run("systemctl", "stop", postgres.unit(here))
        print(f"stopped: {left.longest - left():.2f} s", flush=True)
        yield left
        pgbouncer.resume(here)
        left.end()
        safe.remove(upgrade_mark(here))
    postgres.settle(here)


def require(stack: Stack) -> Iterator[str]:
    """What stands against it on this host."""
    if stack.apart or "postgres" not in stack.services:
        yield (
            "this is for a single host with PostgreSQL of its own, and for a cluster. Hosts apart "
            "are not upgraded by it (docs/upgrades.md)"
        )


def take_over(
    sides: Change, _: Scratch, before: major_copy.Collations, left: Held, opened: ExitStack
) -> tuple[list[str], major_checks.Frozen]:
    """Have the new version serve; returns indexes that were rebuilt, and what there was before
    anybody wrote."""
    old, new, files = sides
    steps: scratch.Steps = {}
    with scratch.timed(steps, "start"):
        start(new, files, left)
    with scratch.timed(steps, "complete"):
        rebuilt = major_copy.complete(new, new.paths.run_postgres, before, left())
    asked = opened.enter_context(major_checks.frozen(new, new.paths.run_postgres))
    left()
    give_way(old, new, files)
    return rebuilt, asked


def bring_back(new: Stack, old: Stack, files: Files, left: Held) -> None:
    """Have the old version serve again."""
    start(old, files, left)
    give_way(new, old, files)


def require_all(_: Stack) -> None:
    """This host has all that the old version has acknowledged."""


def start(there: Stack, files: Files, left: Held) -> None:
    """The other server, with its own settings. Raises StackctlError when it ends, or does not
    answer while requests can wait."""
    major_files.put_servers(there, files)
    unit, began = postgres.unit(there), time.time()
    system.run("systemctl", "start", unit)
    system.wait(
        lambda: postgres.answers(there) or not system.active(unit), left(), postgres.ASK_SECONDS
    )
    if not postgres.answers(there):
        raise StackctlError(f"{unit} does not answer: {system.complaint(unit, began)}")


def give_way(here: Stack, there: Stack, files: Files) -> None:
    """From now on the other version is in force. Between two of these steps no version starts at
    boot, and stack-watch.timer starts the one that is in force."""
    major_files.at_boot(here, MANUAL)
    major_files.commit(there, files)
    major_files.note_served(there, here)
    major_files.at_boot(there, AUTO)
    postgres.roles(there)


def follow(now: Stack) -> list[str]:
    """Have the repository take backups of the version in force, and make a full one: the older ones
    are of the other."""
    if now.backup is None:
        return []
    backup.pgbackrest(now, "stanza-upgrade")
    system.run("systemctl", "start", "--no-block", backup.unit(now, "full"))
    return [
        f"the repository is PostgreSQL {now.versions.postgresql}'s; a full backup is being made"
    ]


def afterwards(
    old: Stack, new: Stack, asked: major_checks.Frozen, kinds: str = major_ops.COPIED
) -> list[str]:
    """What requests need not wait for; rows of these kinds of tables are compared. Raises
    StackctlError with what is wrong, while the new version serves."""
    try:
        lines = follow(new)
        program = postgres_program(new, "vacuumdb")
        where = (f"--host={new.paths.run_postgres}", f"--port={new.postgres.port}")
        words = (program, *where, f"--username={new.roles.admin}", "--all", "--analyze-in-stages")
        system.require(*words, account=new.accounts.postgres)
        before = Scratch(old, Path(old.paths.data))
        before.start("-c default_transaction_read_only=on")
        with major_checks.frozen(old, str(scratch.place(old))) as seen:
            content = major_checks.content(seen, kinds)
        before.stop()
        lines.append(major_checks.compare(content, major_checks.content(asked, kinds)))
        major_checks.amcheck(new, new.paths.run_postgres)
    except StackctlError as error:
        raise StackctlError(
            f"PostgreSQL {new.versions.postgresql} serves, and this is wrong: {error}\n"
            f"{new.names.stackctl} upgrade --back has the old one serve, without what was written "
            "since."
        ) from None
    return [*lines, "pg_amcheck has nothing against it"]


def told(old: Stack, new: Stack, lines: list[str]) -> str:
    """What was done, and what can be done next."""
    lines += [
        f"the old data stays in {old.paths.data} until {new.names.stackctl} upgrade --finish",
        f"{new.names.stackctl} upgrade --back has it serve, without what is written from now on",
    ]
    return "\n".join(f"upgrade    {line}" for line in lines)


def settle(stack: Stack) -> str:
    """Whatever was cut off: the version in force serves, requests go on, and no scratch server is
    left; returns what was done. To be called with the lock."""
    known = major_files.sides(stack)
    done = ""
    if known and upgrade_mark(stack).exists():
        done = _bring_back(*known)
    tidy(stack)
    return done or "nothing was left half-way"


def tidy(stack: Stack) -> None:
    """No scratch server is left, nor a new version that has not served."""
    if known := major_files.sides(stack):
        here, _, there, _ = known
        major_files.note_served(here, there)
        old, new = sorted((here, there), key=lambda side: side.versions.postgresql)
        try:
            if here is old and scratch.load(stack, major_files.SERVED) is None:
                major_copy.discard(new)  # first, for it may ask the old one for rows
        finally:
            major_copy.clear(old, new)
    elif files := scratch.load(stack, major_files.NEW):
        major_copy.clear(stack, major_files.plan_of(stack, files))


def _bring_back(here: Stack, files: Files, there: Stack, _: Files) -> str:
    system.stop(postgres.unit(there))
    major_files.at_boot(there, MANUAL)
    if not system.active(postgres.unit(here)):
        Scratch(here, Path(here.paths.data)).stop()  # on a socket of its own, if at all
    major_files.put_servers(here, files)
    major_files.commit(here, files)
    major_files.note_served(here, there)
    major_files.at_boot(here, AUTO)
    try:
        postgres.start(here)
    finally:
        safe.remove(upgrade_mark(here))
        pgbouncer.resume(here)
        workers.resume(here)
        postgres.settle(here)
    return f"PostgreSQL {here.versions.postgresql} serves: an upgrade was cut off"
