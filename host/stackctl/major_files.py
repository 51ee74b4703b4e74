"""Which of two major versions is in force: the plan says so, and the files that go with it.

The playbook leaves the files of the next version as a list; what they replace is kept as another.
The plan is the last that is replaced, in one step: a stackctl that is killed leaves either version
in force, and `settle` brings that one back.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from pgstack.planning.services import POSTGRES

from . import postgres, safe, scratch, system
from .safe import StackctlError
from .stack import Stack

NEW, OLD, SERVED = "new.json", "old.json", "served.json"
"""files of the next version, those they replace, and when that one began to serve"""
AUTO, MANUAL = b"auto\n", b"manual\n"
Files = list[dict[str, Any]]
Sides = tuple[Stack, Files, Stack, Files]
"""plan and files of the version in force, then of the other"""
Change = tuple[Stack, Stack, Files]
"""from a plan to another, whose files these are"""


def staged(stack: Stack) -> Files:
    """What the playbook has left. Raises StackctlError without it."""
    files: Files | None = scratch.load(stack, NEW)
    if not files:
        raise StackctlError(
            "nothing says which version is wanted; nothing was changed. Set "
            "stack_inputs.postgresql, and run the playbook upgrade.yml."
        )
    return files


def plan_of(stack: Stack, files: Files) -> Stack:
    """The plan that is among them."""
    path = str(stack.conf / "plan.json")
    text = next(file["content"] for file in files if file["dest"] == path)
    return Stack.model_validate(json.loads(text))


def settings(stack: Stack, files: Files) -> bytes:
    """Those of the server that is among them."""
    return content(stack, files, POSTGRES.configuration)


def content(stack: Stack, files: Files, name: str) -> bytes:
    """One of PostgreSQL's files that is among them."""
    path = str(stack.conf / "postgres" / name)
    return next(str(file["content"]) for file in files if file["dest"] == path).encode()


def note_served(now: Stack, before: Stack) -> None:
    """When the newer one began to serve: from then on its data is nobody's to delete."""
    newer = now.versions.postgresql > before.versions.postgresql
    if newer and scratch.load(now, SERVED) is None:
        scratch.dump(now, SERVED, time.time())


def keep(stack: Stack, files: Files, name: str) -> None:
    """Note what is in force, at the places of these files and for the unit of its cluster. What is
    not there is left where it is by the other version: a drop-in of a unit that does not run."""
    wanted = {file["dest"]: file for file in files}
    own = str(drop_in(stack))
    wanted.setdefault(own, {"dest": own, "mode": "0644"})
    known = [
        {**file, "content": safe.read(Path(path)).decode()}
        for path, file in wanted.items()
        if Path(path).exists()
    ]
    scratch.dump(stack, name, known)


def sides(stack: Stack) -> Sides | None:
    """Both versions, of which the one in force is as it is now; None where there is one alone."""
    known = [scratch.load(stack, name) for name in (OLD, NEW)]
    if not all(known):
        return None
    plans = [plan_of(stack, files) for files in known]
    mine = [plan.versions.postgresql == stack.versions.postgresql for plan in plans]
    if mine not in ([True, False], [False, True]):
        return None
    here = mine.index(True)
    return stack, known[here], plans[1 - here], known[1 - here]


def put_servers(stack: Stack, files: Files) -> None:
    """What the server of this plan reads (its unit binds that directory), and its unit."""
    directory = stack.conf / "postgres"
    wanted: dict[str, bytes] = {}
    for file in files:
        path, content = Path(file["dest"]), file["content"].encode()
        if path.parent == directory:
            wanted[path.name] = content
        if path == drop_in(stack):
            safe.make_directory(path.parent)
            safe.write(path, content)
            wanted["unit"] = content
    system.fill(stack.live("postgres"), wanted)
    system.require("systemctl", "daemon-reload")


def commit(stack: Stack, files: Files) -> None:
    """Bring this plan into force, with all that goes with it; the plan is the last."""
    last = str(stack.conf / "plan.json")
    for file in sorted(files, key=lambda file: bool(file["dest"] == last)):
        path = Path(file["dest"])
        if path.parent.is_dir():
            _write(path, file)
    system.require("systemctl", "daemon-reload")


def _write(path: Path, file: dict[str, Any]) -> None:
    """Owner and mode stay those of what is there."""
    safe.write(path, file["content"].encode(), int(file.get("mode") or "0644", 8))


def at_boot(stack: Stack, start: bytes) -> None:
    """Whether Debian starts this version's cluster at boot."""
    account = stack.accounts.postgres
    path = cluster(stack) / "start.conf"
    if path.parent.is_dir():
        safe.write(path, start, 0o644, account, account)


def cluster(stack: Stack) -> Path:
    """Directory of the settings that Debian has for it."""
    return Path("/etc/postgresql", str(stack.versions.postgresql), stack.names.cluster)


def mark(stack: Stack) -> Path:
    """What says that the stack has made it (role postgresql)."""
    name = f"{stack.versions.postgresql}-{stack.names.cluster}.stack"
    return Path(stack.paths.home_postgres, name)


def drop_in(stack: Stack) -> Path:
    """What the stack adds to the unit of its cluster."""
    return system.UNITS / f"{postgres.unit(stack)}.d" / "stack.conf"


def is_free(new: Stack) -> bool:
    """Whether a cluster of that version can be made: what is there, if anything, is left of a run
    that was cut off before it served."""
    there = cluster(new).exists() or Path(new.paths.data).exists()
    return not there or (mark(new).exists() and scratch.load(new, SERVED) is None)
