"""A restore that is under way: a mark says where the data are that were there before, so that one
that is cut off, be it by a loss of power, is put right by whoever looks next (restore.settle)."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from . import alone, backup, postgres, safe, system, timelines
from .safe import StackctlError
from .stack import Stack

END_SECONDS = 10
"""for pgBackRest to end"""


@dataclass(frozen=True)
class Mark:
    """What is under way."""

    aside: Path | None
    """where the data are that were there before, None where there were none"""
    moment: float
    """that is wanted back, in seconds since 1970"""
    moved: bool = False
    """whether they are there by now, and what is in their place is half of something"""


def _file(stack: Stack) -> Path:
    return timelines.directory(stack) / "under-way.json"


def note(stack: Stack, mark: Mark) -> None:
    """For whoever looks after this was cut off."""
    safe.make_directory(timelines.directory(stack))
    text = json.dumps([str(mark.aside or ""), mark.moment, mark.moved])
    safe.write(_file(stack), text.encode(), 0o600)


def read(stack: Stack) -> Mark | None:
    """What is under way, or was cut off; None for nothing."""
    try:
        aside, moment, moved = json.loads(safe.read(_file(stack)))
    except FileNotFoundError:
        return None
    return Mark(Path(aside) if aside else None, float(moment), bool(moved))


def end(stack: Stack) -> None:
    """Nothing is."""
    safe.remove(_file(stack))


def set_aside(stack: Stack, mark: Mark) -> Mark:
    """Have the data there that are to be replaced. Raises StackctlError."""
    note(stack, mark)
    if mark.aside:
        as_postgres(stack, "mv", "--no-target-directory", stack.paths.data, str(mark.aside))
    done = replace(mark, moved=True)
    note(stack, done)
    return done


def as_postgres(stack: Stack, *command: str) -> None:
    """What changes PostgreSQL's own directory, where it may have put links: with its rights and not
    root's."""
    system.require(*command, account=stack.accounts.postgres)


def stop(stack: Stack) -> None:
    """Stop the server, whoever has started it, and a copy that goes on without its stackctl."""
    copying = [process for process in psutil.process_iter() if _copies(stack, process)]
    for process in copying:
        process.kill()
    psutil.wait_procs(copying, END_SECONDS)
    system.stop(postgres.unit(stack))
    if stack.cluster:
        alone.stop(stack)


def _copies(stack: Stack, process: psutil.Process) -> bool:
    """Whether it is pgBackRest, or a helper of it, that writes into the data directory."""
    try:
        own = process.username() == stack.accounts.postgres
        words = process.cmdline() if own else []
    except psutil.Error:
        return False
    elsewhere = [word for word in words if word.startswith("--pg1-path=")]
    return (
        [Path(word).name for word in words[:1]] == ["pgbackrest"]
        and words[-1].partition(":")[0] == "restore"
        and f"--stanza={backup.require(stack).stanza}" in words
        and elsewhere in ([], [f"--pg1-path={stack.paths.data}"])
    )


def recovered(stack: Stack, mark: Mark) -> bool:
    """Whether what is there is the restored database: pgBackRest brings the control file last, and
    the server takes away what asks it to recover, once it has."""
    data = Path(stack.paths.data)
    kept = mark.aside is None or mark.aside.is_dir()
    there = (data / "global/pg_control").exists()
    return mark.moved and kept and there and not (data / "recovery.signal").exists()


def put_back(stack: Stack, mark: Mark) -> str:
    """Have the data serve that were there before; says what there is then."""
    try:
        _exchange(stack, mark)
    except StackctlError as error:
        return (
            f"The database that was there is in {mark.aside}, and cannot be put back: {error}\n"
            "stack-watch.timer tries again twice a minute."
        )
    end(stack)
    if mark.aside is None:
        return "There is no database."
    unit = postgres.unit(stack)
    system.run("systemctl", "start", unit)
    if system.wait(lambda: postgres.answers(stack), postgres.START_SECONDS):
        return "The database is as it was before, and runs."
    return f"The database is as it was before, and does not answer: see journalctl -u {unit}."


def _exchange(stack: Stack, mark: Mark) -> None:
    """In the place of the data directory, unless that is the one that was there."""
    stop(stack)
    data, aside = Path(stack.paths.data), mark.aside
    delete = ("rm", "--recursive", "--force")
    if aside and not aside.is_dir():
        return  # not yet, or back by now
    if aside and not mark.moved and _files(aside) <= _files(data):
        as_postgres(stack, *delete, str(aside))  # part of a move that copies
        return
    as_postgres(stack, *delete, str(data))
    if aside:
        as_postgres(stack, "mv", "--no-target-directory", str(aside), str(data))


def _files(place: Path) -> set[str]:
    """Names of all that is below; nothing where it is not there."""
    return {
        os.path.relpath(Path(folder, name), place)
        for folder, folders, files in os.walk(place)
        for name in (*folders, *files)
    }
