"""Uploads and directories of STACK_DATA: kept by restic after each backup of the database, read in
drills, and brought back with it.

Root reads and writes a tree that lesser accounts may change. So it reads it in a unit in which
nothing else of theirs is to be found, and writes it anew at a place that is root's alone, which
then takes the tree's name.
"""

from __future__ import annotations

import grp
import json
import os
import pwd
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pgstack.errors import TargetError
from pgstack.ops import restic
from pgstack.ops.restic import Repository, Snapshot
from pgstack.planning import services

from . import backup, safe, system
from .line import Line
from .safe import StackctlError
from .stack import Stack

VARIABLES = (
    ("repo1-cipher-pass", "RESTIC_PASSWORD"),
    ("repo1-s3-key", "AWS_ACCESS_KEY_ID"),
    ("repo1-s3-key-secret", "AWS_SECRET_ACCESS_KEY"),
)
"""setting of pgBackRest, variable of restic: what opens the one opens the other"""


def unit(stack: Stack) -> str:
    """Name of the unit that keeps them."""
    return services.unit(stack, "files.service")


def drill_unit(stack: Stack) -> str:
    """Name of the unit that reads them back."""
    return services.unit(stack, "files-drill.service")


def units(stack: Stack) -> tuple[str, str]:
    """Names of the units that save files and rehearse their restore."""
    return unit(stack), drill_unit(stack)


def repository(stack: Stack) -> Repository:
    """Where they are kept. Raises StackctlError where they are not."""
    part = backup.require(stack)
    if not part.files:
        raise StackctlError("This host has no files of the site: its web hosts have them.")
    secret = Path(stack.paths.backup, "conf.d")
    lines = [
        line.partition("=")
        for name in ("passphrase.conf", "s3.conf")
        if (secret / name).exists()
        for line in safe.read(secret / name).decode().splitlines()
    ]
    known = dict(VARIABLES)
    secrets = {known[name]: value for name, _, value in lines if name in known}
    return Repository(part.files, secrets, part.files_options)


def tree(stack: Stack) -> Path:
    """Directory of uploads, which backups hold."""
    return Path(stack.paths.media)


def save(stack: Stack) -> str:
    """Keep what is there now, and forget what is too old. Raises StackctlError.

    No snapshot is made of a tree without files: it would pass for the newest state of one that was
    lost.
    """
    part, kept = backup.require(stack), repository(stack)
    try:
        kept.make()
        if restic.holds_files(tree(stack)):
            kept.save([tree(stack)], *_owners(stack))
            kept.forget(part.files_days)
        snapshots = kept.snapshots()
    except TargetError as error:
        raise StackctlError(str(error)) from None
    _note(stack, "saved", [[each.name, each.moment] for each in snapshots])
    return _snapshots_line(snapshots, time.time(), part.oldest).text


def were_saved(stack: Stack) -> bool:
    """Whether the snapshots have ever been looked at."""
    return _noted(stack, "saved") is not None


def rehearse(stack: Stack) -> str:
    """Read the newest snapshot in full. Raises StackctlError, after it was written down."""
    begun, kept = time.time(), repository(stack)
    try:
        kept.run("check")
        snapshots = kept.snapshots()
        count, size = kept.read(snapshots[-1]) if snapshots else (0, 0)
    except TargetError as error:
        _note(stack, "drill", {"result": "failed", "error": str(error), "ended": int(begun)})
        raise StackctlError(str(error)) from None
    text = f"{count} files of {snapshots[-1].name if snapshots else 'nothing'}, {size} bytes"
    _note(stack, "drill", {"result": "passed", "read": text, "ended": int(begun)})
    return f"passed: {text}"


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


def listed(stack: Stack) -> list[Snapshot]:
    """What is kept, oldest first; nothing beside backups from before files were in them. Raises
    StackctlError."""
    kept = repository(stack)
    try:
        kept.make()
        return kept.snapshots()
    except TargetError as error:
        raise StackctlError(str(error)) from None


def require(stack: Stack, name: str) -> None:
    """Raise StackctlError where a snapshot that was asked for is none, or cannot take the place of
    the tree."""
    if name:
        named(listed(stack), name)
    if os.path.ismount(tree(stack)):
        raise StackctlError(
            f"{tree(stack)} is a file system of its own, which cannot be replaced. Mount "
            "it elsewhere and bind-mount it there, or restore by hand with restic."
        )


def bring_back(stack: Stack, reached: float, name: str = "") -> str:
    """The files that belong to the database as it was at `reached`, in the place of those that are
    there; returns what was done. Raises StackctlError with the tree as it was."""
    snapshots = listed(stack)
    there = restic.holds_files(tree(stack))
    snapshot = named(snapshots, name) if name else choose(snapshots, reached, there)
    if snapshot is None:
        older = f"; the last snapshot is older: {snapshot_text(snapshots[-1])}" if snapshots else ""
        return f"files as they are now{older}"
    aside = _exchange(stack, snapshot)
    before = f"; what was there before is in {aside}" if aside else ""
    return f"files of {snapshot_text(snapshot)}{before}"


def snapshot_text(snapshot: Snapshot) -> str:
    """When a snapshot was made, and its name: `2026-11-24 03:00:12+00 (9639cc95)`."""
    return f"{datetime.fromtimestamp(snapshot.moment, UTC):%Y-%m-%d %H:%M:%S}+00 ({snapshot.name})"


def _exchange(stack: Stack, snapshot: Snapshot) -> Path | None:
    """Where the tree is now that was there; None where there was none."""
    place = tree(stack)
    stage = place.with_name(f".{place.name}.restoring")
    named = place.with_name(f"{place.name}.before-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    aside = named if place.exists() else None
    safe.remove(stage)
    stage.mkdir(mode=0o700)
    try:
        repository(stack).restore(snapshot, stage)
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


def _owners(stack: Stack) -> list[str]:
    """Numbers of the accounts that write files, for a host on which they have others."""
    known = {entry.pw_name for entry in pwd.getpwall()}
    wanted = (stack.accounts.web, stack.accounts.worker, stack.accounts.deploy)
    names = [name for name in dict.fromkeys(wanted) if name in known]
    users = [f"user:{name}={pwd.getpwnam(name).pw_uid}" for name in names]
    return [*users, f"group:{stack.accounts.group}={grp.getgrnam(stack.accounts.group).gr_gid}"]


def _moves(stack: Stack, snapshot: Snapshot) -> tuple[dict[int, int], dict[int, int]]:
    """Number of an account or a group in a snapshot → the one that it has here."""
    users: dict[int, int] = {}
    groups: dict[int, int] = {}
    here = {tag.partition("=")[0]: int(tag.partition("=")[2]) for tag in _owners(stack)}
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


def report(stack: Stack) -> list[Line]:
    """How old the last snapshot is, and what the last drill read."""
    part, now = backup.require(stack), time.time()
    if not part.files:
        return []
    saved = _noted(stack, "saved") or []
    snapshots = [Snapshot(str(name), float(moment), (), ()) for name, moment in saved]
    lines = [_snapshots_line(snapshots, now, part.oldest, restic.holds_files(tree(stack)))]
    lines += [
        Line("files", f"{name} failed; see journalctl -u {name}", good=False)
        for name in units(stack)
        if system.failed(name)
    ]
    drill = _noted(stack, "drill")
    if isinstance(drill, dict) and drill["result"] == "passed":
        late = now - drill["ended"] > part.drill_oldest
        ago = backup.age(now - drill["ended"])
        text = f"drill passed {ago} ago, {drill['read']}"
        lines.append(Line("files", f"{text}: the next one is late" if late else text, not late))
    elif isinstance(drill, dict):
        lines.append(Line("files", f"drill failed: {drill['error']}", good=False))
    asides = sorted(tree(stack).parent.glob(f"{tree(stack).name}.before-*"))
    return lines + [
        Line("aside", f"{path}: delete it once you no longer need it") for path in asides
    ]


def _snapshots_line(
    snapshots: Sequence[Snapshot], now: float, oldest: int, there: bool = False
) -> Line:
    if not snapshots:
        return Line("files", "none kept" if there else "none to keep yet", good=not there)
    last = snapshots[-1]
    text = f"{last.name}, {backup.age(now - last.moment)} old; {len(snapshots)} kept"
    late = there and now - last.moment > oldest
    return Line("files", f"{text}: the next one is late" if late else text, not late)


def _note(stack: Stack, name: str, state: object) -> None:
    text = json.dumps(state, indent=2) + "\n"
    safe.write(Path(backup.require(stack).files_state, f"{name}.json"), text.encode(), 0o600)


def _noted(stack: Stack, name: str) -> Any:
    with suppress(OSError, ValueError, safe.UnsafePath):
        return json.loads(safe.read(Path(backup.require(stack).files_state, f"{name}.json")))
    return None
