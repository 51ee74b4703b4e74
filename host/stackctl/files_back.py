"""Files as they were: a snapshot takes the place of the tree that is there, which is kept aside.

Root writes a tree that lesser accounts may change. So it writes it anew at a place that is root's
alone, which then takes the tree's name.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from pgstack.errors import TargetError
from pgstack.ops import restic
from pgstack.ops.restic import Snapshot

from . import apache, files, recovery, safe, schedule, system, workers
from .files import snapshot_text
from .safe import StackctlError
from .stack import INSTANCES, Stack


def plan(stack: Stack, snapshot: str, moment: str = "") -> tuple[float, str]:
    """The moment that files are to be of, and the snapshot, empty: the one for that moment. Raises
    StackctlError where they cannot be brought back; nothing is changed."""
    require(stack, snapshot)
    target = recovery.parse(moment or "latest")
    if target.moment is not None:
        return target.moment, snapshot
    if target.kind != "latest":
        raise StackctlError(
            f"{moment}: the database is elsewhere, and files know no transactions and restore "
            "points. Give latest, or a time with its zone such as '2026-11-24 13:00:00+00'."
        )
    chosen = snapshot or next((each.name for each in files.listed(stack)[-1:]), "")
    if not chosen:
        raise StackctlError("there is no snapshot of files yet. `stackctl files save` makes one.")
    return 0, chosen


def run(stack: Stack, snapshot: str, moment: str = "") -> str:
    """Put files in the place of those that are there, and leave the database as it is; returns what
    was done. Raises StackctlError."""
    reached, chosen = plan(stack, snapshot, moment)
    for name in files.units(stack):
        system.stop(name)
    with schedule.stopped(stack), workers.stopped(stack), site_down(stack):
        return bring_back(stack, reached, chosen)


@contextmanager
def site_down(stack: Stack) -> Iterator[None]:
    """Apache does not run within it, and afterwards as it did. A mark remains if the command is
    killed meanwhile."""
    serving = [name for name in INSTANCES if system.active(apache.unit(stack, name))]
    say("The site is down from here on.")
    try:
        if serving:
            safe.write(_mark(stack), " ".join(serving).encode())
        for name in serving:
            system.stop(apache.unit(stack, name))
        yield
    finally:
        _serve(stack, serving)
        say("Apache runs again." if serving else "Apache did not run.")


def serve_again(stack: Stack) -> str:
    """Start Apache where a stackctl has stopped it that was killed meanwhile, and what is
    scheduled; returns what was done. To be called with the lock."""
    try:
        serving = safe.read(_mark(stack)).decode().split()
    except FileNotFoundError:
        return ""
    _serve(stack, serving)
    schedule.resume(stack)
    return "the site was stopped for a change that was cut off, and is served again"


def _serve(stack: Stack, serving: Sequence[str]) -> None:
    for name in serving:
        apache.start(stack, name)
    safe.remove(_mark(stack))


def _mark(stack: Stack) -> Path:
    return stack.run / "site-stopped"


def choose(snapshots: Sequence[Snapshot], reached: float, there: bool) -> Snapshot | None:
    """The snapshot for a database as it was at `reached`; None: the tree that is there.

    The first that is not older, for it has the file of every row. Where all are older the tree of
    now is the next, and where nothing is left of that the newest snapshot.
    """
    younger = [each for each in snapshots if each.moment >= reached]
    if younger:
        return younger[0]
    return None if there or not snapshots else snapshots[-1]


def named(snapshots: Sequence[Snapshot], name: str) -> Snapshot:
    """The snapshot that was asked for. Raises StackctlError."""
    snapshot = next((each for each in snapshots if each.name == name), None)
    if snapshot is None:
        raise StackctlError(f"there is no snapshot {name!r}. `stackctl files list` shows them.")
    return snapshot


def require(stack: Stack, name: str) -> None:
    """Raise StackctlError where the repository cannot be read, a snapshot that was asked for is
    none, or cannot take the place of the tree."""
    snapshots = files.listed(stack)
    if name:
        named(snapshots, name)
    if os.path.ismount(files.tree(stack)):
        raise StackctlError(
            f"{files.tree(stack)} is a file system of its own, which cannot be replaced. Mount "
            "it elsewhere and bind-mount it there, or restore by hand with restic."
        )


def bring_back(stack: Stack, reached: float, name: str = "") -> str:
    """The files that belong to the database as it was at `reached`, in the place of those that are
    there; returns what was done. Raises StackctlError with the tree as it was."""
    snapshots = files.listed(stack)
    there = restic.holds_files(files.tree(stack))
    snapshot = named(snapshots, name) if name else choose(snapshots, reached, there)
    if snapshot is None:
        older = f"; the last snapshot is older: {snapshot_text(snapshots[-1])}" if snapshots else ""
        return f"files as they are now{older}"
    aside = _exchange(stack, snapshot)
    before = f"; what was there before is in {aside}" if aside else ""
    return f"files of {snapshot_text(snapshot)}{before}"


def _exchange(stack: Stack, snapshot: Snapshot) -> Path | None:
    """Where the tree is now that was there; None where there was none."""
    place = files.tree(stack)
    stage = place.with_name(f".{place.name}.restoring")
    named = place.with_name(f"{place.name}.before-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    aside = named if place.exists() else None
    safe.remove(stage)
    stage.mkdir(mode=0o700)
    try:
        files.repository(stack).restore(snapshot, stage)
        restored = stage / place.relative_to("/")
        _give(restored, _moves(stack, snapshot))
        if aside:
            place.rename(aside)
        restored.rename(place)
    except (TargetError, OSError) as error:
        raise StackctlError(f"the files stay as they are: {error}") from None
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    return aside


def _moves(stack: Stack, snapshot: Snapshot) -> tuple[dict[int, int], dict[int, int]]:
    """Number of an account or a group in a snapshot → the one that it has here."""
    users: dict[int, int] = {}
    groups: dict[int, int] = {}
    here = {tag.partition("=")[0]: int(tag.partition("=")[2]) for tag in files.owners(stack)}
    for tag in snapshot.tags:
        name, _, number = tag.partition("=")
        if name in here:
            (users if name.startswith("user:") else groups)[int(number)] = here[name]
    return users, groups


def _give(root: Path, moves: tuple[dict[int, int], dict[int, int]]) -> None:
    """Give all below `root`, a place of root's alone, to the accounts of this host."""
    users, groups = moves
    if all(old == new for each in moves for old, new in each.items()):
        return
    below = (
        Path(folder, name) for folder, names, files in os.walk(root) for name in (*names, *files)
    )
    for path in (root, *below):
        status = path.lstat()
        owner, group = users.get(status.st_uid, -1), groups.get(status.st_gid, -1)
        os.chown(path, owner, group, follow_symlinks=False)


def say(words: str) -> None:
    """Tell what is being done, and when, as long as somebody is there: his connection may end."""
    with suppress(OSError):
        print(f"{recovery.moment_text(time.time())}  {words}", flush=True)
