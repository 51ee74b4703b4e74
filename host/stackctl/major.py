"""A major upgrade of PostgreSQL: rehearsed, done with requests held back, taken back, finished.

It runs in a unit of its own, whose end, however it comes, is followed by `settle`: that brings back
whatever version the plan in force names. So nothing is left half-way by a stackctl that is killed.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType

from pgstack.planning import services

from . import (
    major_backup,
    major_checks,
    major_cluster,
    major_copy,
    major_files,
    major_logical,
    major_rehearsal,
    major_switch,
    recovery,
    safe,
    scratch,
    system,
)
from .safe import StackctlError
from .scratch import Steps, timed
from .stack import Stack

END_SECONDS = 180
"""for what it has started to end, and for `settle` after it"""


def unit(stack: Stack) -> str:
    """Name of the unit that it runs in."""
    return services.unit(stack, "upgrade.service")


def answer(stack: Stack, asked: argparse.Namespace) -> int:
    """What was asked for: in its unit, or by starting that."""
    if asked.logical and (asked.back or asked.finish):
        raise StackctlError("--logical says how to upgrade: not for --back and --finish.")
    if asked.settle:
        with system.exclusive_lock(stack.run):
            print(settle(stack))
    elif os.environ.get("RUN_BY") == unit(stack):
        _work(stack, asked)
    else:
        words = [f"--{name}" for name in (*STEPS, "logical") if getattr(asked, name)]
        print(_start(stack, words))
    return 0


def _start(stack: Stack, words: list[str]) -> str:
    """Run it in its unit, which goes on when this is cut off; returns what it said. Raises
    StackctlError."""
    program, name = f"/usr/local/sbin/{stack.names.stackctl}", unit(stack)
    if system.busy(name):
        raise StackctlError(f"{name} is at work: journalctl -fu {name}")
    safe.remove(_said(stack))
    began = time.time()
    done = system.run(
        *("systemd-run", "--quiet", "--wait", "--collect", f"--unit={name}"),
        *(f"--setenv=RUN_BY={name}", f"--property=TimeoutStopSec={END_SECONDS}"),
        "--property=KillSignal=SIGINT",  # a fast shutdown, to PostgreSQL
        *(f"--property=ExecStopPost={program} upgrade --settle", program, "upgrade", *words),
    )
    try:
        text = safe.read(_said(stack)).decode()
    except FileNotFoundError:
        text = ""
    if done.returncode:
        raise StackctlError(text or system.complaint(name, began))
    return text


def _said(stack: Stack) -> Path:
    return stack.run / "upgrade.said"


def _work(stack: Stack, asked: argparse.Namespace) -> None:
    steps = LOGICAL_STEPS if asked.logical else STEPS
    chosen = [step for name, step in steps.items() if getattr(asked, name)]
    otherwise = major_logical.upgrade if asked.logical else upgrade
    with system.exclusive_lock(stack.run):
        try:
            text = (chosen or [otherwise])[0](stack)
        except StackctlError as error:
            safe.write(_said(stack), str(error).encode())
            raise
    safe.write(_said(stack), text.encode())


def _way(stack: Stack) -> ModuleType:
    """How versions give way to each other: on a host, or in a cluster."""
    return major_cluster if stack.cluster else major_switch


def settle(stack: Stack) -> str:
    """Whatever was cut off: the version in force serves; returns what was done. To be called with
    the lock."""
    return str(_way(stack).settle(stack))


def rehearse(old: Stack) -> str:
    """Make the new version of a copy, and compare; returns how long requests would be held back.
    Raises StackctlError with what would stop it. Nothing of the server that runs is changed."""
    files = major_files.staged(old)
    new = major_files.plan_of(old, files)
    notes = major_checks.require(old, new, _way(old).require(old))
    major_copy.clear(old, new)
    scratch.make_place(old, new)
    safe.remove(old.conf / "upgrade" / major_rehearsal.REHEARSED)
    steps: Steps = {}
    before = major_copy.collations(old, old.paths.run_postgres)
    fresh = major_copy.rehearsed(new)
    major_copy.initdb(new, fresh.data)
    fresh.require_settings(major_files.settings(new, files))
    server, whence = major_backup.make(old)
    notes.append(whence)
    sockets, longest = str(scratch.place(old)), float(scratch.STATEMENT_SECONDS)
    with timed(steps, "promote"):
        major_copy.promote(old, new, server)
    with major_checks.frozen(old, sockets) as seen:
        content = major_checks.content(seen)
    with timed(steps, "end"):
        server.stop()
    with timed(steps, "pg_upgrade"):
        major_copy.convert(server, fresh, longest)
    with timed(steps, "start"):
        fresh.start()
    with timed(steps, "complete"):
        rebuilt = major_copy.complete(new, sockets, before, longest)
    with major_checks.frozen(new, sockets) as seen:
        notes.append(major_checks.compare(content, major_checks.content(seen)))
    major_checks.amcheck(new, sockets)
    notes += [f"sorted anew: {index}" for index in rebuilt]
    bounds = _way(old).STOP_SECONDS, _way(old).SWITCH_SECONDS
    notes.append("pg_amcheck has nothing against it")
    return major_rehearsal.keep(old, new, steps, notes, bounds, major_rehearsal.REHEARSED)


def upgrade(old: Stack) -> str:
    """Have the new version serve; returns what was done. Raises StackctlError, and the old one
    serves (`settle`), unless it says otherwise."""
    files = major_files.staged(old)
    new = major_files.plan_of(old, files)
    major_checks.require(old, new, _way(old).require(old))
    major_rehearsal.require(old, new, major_rehearsal.REHEARSED)
    major_copy.discard(new)
    major_copy.clear(old, new)
    scratch.make_place(old, new)
    major_files.keep(old, files, major_files.OLD)
    before = major_copy.collations(old, old.paths.run_postgres)
    fresh = major_copy.create(new)
    fresh.require_settings(major_files.settings(new, files))
    server = major_copy.make(old)
    steps: Steps = {}
    with ExitStack() as opened:
        with _way(old).held(old) as left:
            with timed(steps, "copy has all"):
                major_copy.catch_up(old)
                major_copy.promote(old, new, server)
                server.stop()
            with timed(steps, "pg_upgrade"):
                major_copy.convert(server, fresh, left())
            sides = (old, new, files)
            rebuilt, asked = _way(old).take_over(sides, fresh, before, left, opened)
        lines = [f"PostgreSQL {new.versions.postgresql} serves; {left.text()}"]
        lines += [f"sorted anew: {index}" for index in rebuilt]
        lines += major_switch.afterwards(old, new, asked)
    return major_switch.told(old, new, lines)


def back(stack: Stack) -> str:
    """Have the old version serve, as it was when it gave way; returns what was done. Raises
    StackctlError."""
    new, current, old, files = _both(stack)
    _way(new).require_all(old)
    major_files.keep(new, current, major_files.NEW)
    safe.write(major_copy.slots_mark(old), b"")  # which its data still have
    since = recovery.moment_text(scratch.load(stack, major_files.SERVED))
    with _way(new).held(new) as left:
        _way(new).bring_back(new, old, files, left)
    aside = major_copy.set_aside(new)
    safe.remove(major_files.cluster(new))
    safe.remove(stack.conf / "upgrade" / major_files.SERVED)
    lines = [
        f"PostgreSQL {old.versions.postgresql} serves as of {since}; {left.text()}",
        f"what was written since is in {aside}, for PostgreSQL {new.versions.postgresql}",
        *major_switch.follow(old),
        f"set stack_inputs.postgresql: {old.versions.postgresql}, and run the playbook site.yml",
    ]
    return "\n".join(f"upgrade    {line}" for line in lines)


def finish(stack: Stack) -> str:
    """Give the old version up; returns what was done. Raises StackctlError."""
    new, _, old, _ = _both(stack)
    major_copy.forget(old)
    for name in (major_files.SERVED, major_files.OLD, major_files.NEW):
        safe.remove(stack.conf / "upgrade" / name)
    major_rehearsal.forget(stack)
    system.require("systemctl", "daemon-reload")
    version = old.versions.postgresql
    return (
        f"upgrade    the data of PostgreSQL {version} is deleted, and {new.versions.postgresql} "
        f"stays. Its packages are no longer used: apt-get purge postgresql-{version}"
    )


def _both(stack: Stack) -> major_files.Sides:
    """The new version, which serves, and the old one, which is still there. Raises StackctlError
    otherwise."""
    known = major_files.sides(stack)
    if known is None or scratch.load(stack, major_files.SERVED) is None:
        raise StackctlError(
            f"PostgreSQL {stack.versions.postgresql} serves, and no older one is kept from an "
            "upgrade; nothing was changed."
        )
    if not Path(known[2].paths.data, "PG_VERSION").exists():
        raise StackctlError(f"{known[2].paths.data} is not there; nothing was changed.")
    return known


STEPS: dict[str, Callable[[Stack], str]] = {"rehearse": rehearse, "back": back, "finish": finish}
LOGICAL_STEPS: dict[str, Callable[[Stack], str]] = {"rehearse": major_logical.rehearse}
