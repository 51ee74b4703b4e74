"""`make upgrade` of the local target: the rows of an older PostgreSQL, which an upgrade of Debian
has left behind, go by a dump into the machine's. Nothing of the stack runs meanwhile, and the old
data stays until it is given up."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pgstack.errors import TargetError
from pgstack.live.probes import supervisord
from pgstack.ops import major, moved, together
from pgstack.planning.plan import Plan
from pgstack.planning.services import postgres_program
from pgstack.rendering import templates
from pgstack.targets import database, failure
from pgstack.targets.directory import BEFORE, UPGRADED
from pgstack.targets.run import Run

PROGRAMS = "/usr/lib/postgresql/{}/bin"
START_SECONDS = 3600
"""for data to recover that was not shut down"""


def upgrade(run: Run, *, rehearse: bool) -> None:
    """Have the data be of the plan's version, or say how long that takes. Raises TargetError, and
    the data is as it was."""
    plan = run.plan
    data, before, fresh = _places(plan)
    if not data.exists() and before.exists():
        before.rename(data)  # one was killed between two names
    old = _require(plan, data, before)
    began = time.monotonic()
    _remove(fresh)
    try:
        told = _move(run, old, data, fresh)
        seconds, size = time.monotonic() - began, _bytes(data) // 1024**2
        if not rehearse:
            data.rename(before)
            fresh.rename(data)
    finally:
        _remove(fresh)
    new = plan.versions.postgresql
    run.say(f"compared  {told}")
    if rehearse:
        run.say(f"rehearsal PostgreSQL {old} can become {new}: {seconds:.0f} s for {size} MB")
        return
    run.say(
        f"upgraded  PostgreSQL {old} to {new} in {seconds:.0f} s. The old data stays in {before} "
        "until `make upgrade TARGET=local FINISH=yes`."
    )


def finish(run: Run) -> None:
    """Delete the data of before. Raises TargetError."""
    data, before, _ = _places(run.plan)
    if not before.exists() or not data.exists():
        raise TargetError(f"{before}: no older PostgreSQL is kept from an upgrade.")
    old = _version(before)
    _remove(before)
    run.say(f"deleted   the data of PostgreSQL {old}")


def _places(plan: Plan) -> tuple[Path, Path, Path]:
    """Data of the stack, of before, and of a version that is being made."""
    data = Path(plan.paths.data)
    return data, data.with_name(BEFORE), data.with_name(UPGRADED)


def _require(plan: Plan, data: Path, before: Path) -> int:
    """The data's version. Raises TargetError with what stops it."""
    new, old = plan.versions.postgresql, _version(data)
    if old >= new:
        raise TargetError(
            f"{data}: of PostgreSQL {old}, and this machine has {new}: no later one. Nothing was "
            "changed."
        )
    if before.exists():
        raise TargetError(
            f"{before} is there from an earlier upgrade. `make upgrade TARGET=local FINISH=yes` "
            "deletes it; nothing was changed."
        )
    if not Path(PROGRAMS.format(old), "postgres").exists():
        raise TargetError(
            f"PostgreSQL {old} is not installed any more, so nothing can read {data}. Install the "
            f"package postgresql-{old} of the Debian before, or bring back a backup with `make "
            "restore` (docs/upgrades.md). Nothing was changed."
        )
    if supervisord.states(plan) is not None:
        raise TargetError("the stack runs: `make down` first. Nothing was changed.")
    needed = _bytes(data) + major.SPARE_BYTES
    if (free := shutil.disk_usage(data).free) < needed:
        raise TargetError(
            f"{free // 1024**2} MB are free for {data.parent}, and {needed // 1024**2} MB are "
            "needed: the rows once more, and 1 GB. Nothing was changed."
        )
    return old


def _version(data: Path) -> int:
    try:
        return int((data / "PG_VERSION").read_text())
    except (OSError, ValueError):
        raise TargetError(f"{data}: holds no database, so there is none to upgrade.") from None


def _bytes(data: Path) -> int:
    return sum(path.stat().st_size for path in data.rglob("*") if path.is_file())


def _remove(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)


def _move(run: Run, old: int, data: Path, fresh: Path) -> str:
    """Make the new database with all rows of the old one; returns what was compared. Raises
    TargetError."""
    plan = run.plan
    failure.require(plan, database.make_cluster(run, fresh), "initdb")
    with tempfile.TemporaryDirectory(prefix="stack-") as place, ExitStack() as servers:
        roles = Path(place, "roles.sql")
        roles.write_text(templates.text(plan, "postgres/roles.sql"))
        sides = []
        for version, directory in ((old, data), (plan.versions.postgresql, fresh)):
            sockets = Path(place, str(version))
            servers.enter_context(_server(plan, version, directory, sockets))
            sides.append(
                together.Stack(
                    tree="",
                    database=plan.postgres.database,
                    admin=plan.roles.admin,
                    sockets=str(sockets),
                    roles=str(roles),
                    directory=postgres_program(plan, ""),
                )
            )
        for name in moved.left_behind(sides[0]):
            run.say(f"not moved the database {name}")
        together.move(*sides)
        return moved.compare(*sides)


@contextmanager
def _server(plan: Plan, version: int, data: Path, place: Path) -> Iterator[None]:
    """One of this version, with its socket in a directory of its own, for this account alone.
    Raises TargetError."""
    place.mkdir(mode=0o700)
    files = {
        "scratch.conf": major.settings(str(place), plan.postgres.port, {}),
        "pg_hba.conf": major.HBA,
        "pg_ident.conf": f"upgrade {pwd.getpwuid(os.geteuid()).pw_name} {plan.roles.admin}\n",
    }
    for name, text in files.items():
        (place / name).write_text(text)
    program, log = f"{PROGRAMS.format(version)}/pg_ctl", place / "log"
    control = (program, f"--pgdata={data}", "--wait", f"--timeout={START_SECONDS}")
    options = f"--options=-c config_file={place}/scratch.conf"
    try:
        done = subprocess.run(
            [*control, options, f"--log={log}", "start"], stdout=subprocess.DEVNULL, check=False
        )
        if done.returncode:
            raise TargetError(f"PostgreSQL {version} does not start: {failure.log_end(log)}")
        yield
    finally:
        subprocess.run([*control, "--mode=fast", "stop"], capture_output=True, check=False)
