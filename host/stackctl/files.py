"""Uploads and directories of STACK_DATA: kept by restic after each backup of the database, or at
its time where that is elsewhere, and read in drills.

Root reads a tree that lesser accounts may change. So it does in a unit in which nothing else of
theirs is to be found.
"""

from __future__ import annotations

import grp
import json
import pwd
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from pgstack.errors import TargetError
from pgstack.ops import restic
from pgstack.ops.restic import Repository, Snapshot
from pgstack.planning import services
from pgstack.planning.databases import FileBackup

from . import backup, recovery, safe, system
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


def planned(stack: Stack) -> FileBackup:
    """The plan's part. Raises StackctlError where they are not kept."""
    if stack.file_backup is None:
        backup.require(stack)
        raise StackctlError("This host has no files of the site: its web hosts have them.")
    return stack.file_backup


def repository(stack: Stack) -> Repository:
    """Where they are kept. Raises StackctlError where they are not."""
    part = planned(stack)
    secret = Path(stack.paths.backup, "conf.d")
    lines = [
        line.partition("=")
        for name in ("passphrase.conf", "s3.conf")
        if (secret / name).exists()
        for line in safe.read(secret / name).decode().splitlines()
    ]
    known = dict(VARIABLES)
    secrets = {known[name]: value for name, _, value in lines if name in known}
    return Repository(part.repository, secrets, part.options)


def tree(stack: Stack) -> Path:
    """Directory of uploads, which backups hold."""
    return Path(stack.paths.media)


def save(stack: Stack) -> str:
    """Keep what is there now, and forget what is too old. Raises StackctlError.

    No snapshot is made of a tree without files: it would pass for the newest state of one that was
    lost.
    """
    part, kept = planned(stack), repository(stack)
    try:
        kept.make()
        if restic.holds_files(tree(stack)):
            kept.save([tree(stack)], *owners(stack))
            kept.forget(part.days)
        snapshots = kept.snapshots()
    except TargetError as error:
        raise StackctlError(str(error)) from None
    listed = [[each.name, each.moment] for each in snapshots]
    state = {"place": part.repository, "ended": int(time.time()), "snapshots": listed}
    _note(stack, "saved", state)
    return _snapshots_line(snapshots, time.time(), part.oldest).text


def last_saved(stack: Stack) -> int | None:
    """When all that there was had last been kept where it is to be, in seconds since 1970."""
    saved = _noted(stack, "saved")
    if saved is None or saved["place"] != planned(stack).repository:
        return None
    return int(saved["ended"])


def last_drill(stack: Stack) -> dict[str, Any] | None:
    """What the last drill found, None before the first."""
    return _noted(stack, "drill")


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


def listed(stack: Stack) -> list[Snapshot]:
    """What is kept, oldest first; nothing beside backups from before files were in them. Raises
    StackctlError."""
    kept = repository(stack)
    try:
        kept.make()
        return kept.snapshots()
    except TargetError as error:
        raise StackctlError(str(error)) from None


def snapshot_text(snapshot: Snapshot) -> str:
    """When a snapshot was made, and its name: `2026-11-24 03:00:12+00 (9639cc95)`."""
    return f"{recovery.moment_text(snapshot.moment)} ({snapshot.name})"


def owners(stack: Stack) -> list[str]:
    """Numbers of the accounts that write files, for a host on which they have others."""
    known = {entry.pw_name for entry in pwd.getpwall()}
    wanted = (stack.accounts.web, stack.accounts.worker, stack.accounts.deploy)
    names = [name for name in dict.fromkeys(wanted) if name in known]
    users = [f"user:{name}={pwd.getpwnam(name).pw_uid}" for name in names]
    return [*users, f"group:{stack.accounts.group}={grp.getgrnam(stack.accounts.group).gr_gid}"]


def report(stack: Stack) -> list[Line]:
    """How old the last snapshot is, and what the last drill read."""
    part, now = stack.file_backup, time.time()
    if part is None:
        return []
    saved = _noted(stack, "saved") or {"snapshots": ()}
    snapshots = [Snapshot(name, moment, (), ()) for name, moment in saved["snapshots"]]
    lines = [_snapshots_line(snapshots, now, part.oldest, restic.holds_files(tree(stack)))]
    lines += [
        Line("files", f"{name} failed; see journalctl -u {name}", good=False)
        for name in units(stack)
        if system.failed(name)
    ]
    drill = last_drill(stack)
    if drill and drill["result"] == "passed":
        late = now - drill["ended"] > part.drill_oldest
        ago = backup.age(now - drill["ended"])
        text = f"drill passed {ago} ago, {drill['read']}"
        lines.append(Line("files", f"{text}: the next one is late" if late else text, not late))
    elif drill:
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
    safe.write(Path(planned(stack).state, f"{name}.json"), text.encode(), 0o600)


def _noted(stack: Stack, name: str) -> dict[str, Any] | None:
    """What was written down last; an older release's form of it counts for nothing."""
    with suppress(OSError, ValueError, safe.UnsafePath):
        state = json.loads(safe.read(Path(planned(stack).state, f"{name}.json")))
        return state if isinstance(state, dict) else None
    return None
