"""One major version of PostgreSQL gives way to the other, with requests held back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from . import (
    apache,
    backup,
    major_copy,
    major_files,
    pgbouncer,
    postgres,
    safe,
    scratch,
    system,
    workers,
)
from .major_files import AUTO, MANUAL, Files
from .postgres import upgrade_mark
from .safe import StackctlError
from .stack import Stack


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
    time.sleep(postgres.SETTLE_SECONDS)
    apache.enable_keepalive(here)


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
    _note(there, here)
    major_files.at_boot(there, AUTO)
    postgres.roles(there)


def _note(here: Stack, there: Stack) -> None:
    """When the newer one began to serve: from then on its data is nobody's to delete."""
    newer = here.versions.postgresql > there.versions.postgresql
    if newer and scratch.load(here, major_files.SERVED) is None:
        scratch.dump(here, major_files.SERVED, time.time())


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


def settle(stack: Stack) -> str:
    """Whatever was cut off: the version in force serves, requests go on, and no scratch server is
    left; returns what was done. To be called with the lock."""
    known = major_files.sides(stack)
    done = ""
    if known and upgrade_mark(stack).exists():
        done = _bring_back(*known)
    if known:
        here, _, there, _ = known
        old, new = sorted((here, there), key=lambda side: side.versions.postgresql)
        major_copy.clear(old, new)
        if here is old and scratch.load(stack, major_files.SERVED) is None:
            major_copy.discard(new)
    elif files := scratch.load(stack, major_files.NEW):
        major_copy.clear(stack, major_files.plan_of(stack, files))
    return done or "nothing was left half-way"


def _bring_back(here: Stack, files: Files, there: Stack, _: Files) -> str:
    system.stop(postgres.unit(there))
    major_files.at_boot(there, MANUAL)
    major_files.put_servers(here, files)
    major_files.commit(here, files)
    _note(here, there)
    major_files.at_boot(here, AUTO)
    try:
        postgres.start(here)
    finally:
        safe.remove(upgrade_mark(here))
        pgbouncer.resume(here)
        apache.enable_keepalive(here)
        workers.resume(here)
    return f"PostgreSQL {here.versions.postgresql} serves: an upgrade was cut off"
