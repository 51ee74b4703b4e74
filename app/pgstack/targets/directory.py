"""The local target's directory: whether it may hold the stack, one start at a time, its end."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pgstack.errors import TargetError
from pgstack.ops import lock
from pgstack.planning.plan import Plan

BEFORE, UPGRADED = "data.before", ".data.upgraded"
"""data of an older PostgreSQL, kept after an upgrade, and of a newer one that is being made"""
NAMES = (
    "cache",
    "data",
    ".data.new",
    BEFORE,
    UPGRADED,
    "database",
    "log",
    "media",
    "run",
    "schedule",
    "secrets",
    "static",
    "static.unfinished",
    "supervisord.conf",
    ".supervisord.conf.new",
    "trial",
    "valkey",
    "venv",
    ".venv.new",
    "venvs",
    "conf",
)
"""What a stack keeps in its directory; `conf`, which tells that it is one, is deleted last."""

WAIT_SECONDS = 60
"""for another command that works on the same directory: a start on a slow machine"""


def require(plan: Plan) -> None:
    """The directory is absent, empty or a stack's, and its database is one the plan can run.

    Raises TargetError with the remedy; changes nothing.
    """
    root = Path(plan.paths.root)
    for path in (plan.paths.root, plan.paths.app, plan.paths.venv):
        if re.fullmatch(r"[A-Za-z0-9_./+@~-]+", path) is None:
            raise TargetError(
                f"{path}: the servers' files cannot name it. Use letters, digits and _ . + @ ~ - "
                f"for STACK_DIR and the "
                "checkout."
            )
    try:
        foreign = sorted({entry.name for entry in root.iterdir()} - set(NAMES))
    except FileNotFoundError:
        return
    except OSError as error:
        raise TargetError(
            f"STACK_DIR={root}: {error.strerror}. Set STACK_DIR to another directory."
        ) from None
    if foreign and not _marker(root).is_file():
        raise TargetError(
            f"STACK_DIR={root}: it holds {foreign[0]}, which does not belong to a stack. "
            "Set STACK_DIR to an empty directory or to one that does not exist yet."
        )
    _require_database(plan)


def _require_database(plan: Plan) -> None:
    data, wanted = Path(plan.paths.data), plan.versions.postgresql
    if not os.path.lexists(data) and data.with_name(BEFORE).exists():
        raise TargetError(
            f"{data.with_name(BEFORE)} is of an upgrade that was cut off. Run `make upgrade "
            "TARGET=local` again."
        )
    try:
        version = (
            (data / "PG_VERSION").read_text().strip() if os.path.lexists(data) else str(wanted)
        )
    except FileNotFoundError:
        raise TargetError(
            f"{data}: holds no database. Move it away; `make up` makes a new one."
        ) from None
    except OSError as error:
        raise TargetError(
            f"{data}: {error.strerror}. It must be a directory of the stack's account."
        ) from None
    if version != str(wanted):
        raise TargetError(
            f"{data}: a database of PostgreSQL {version}, and the plan runs {wanted}. "
            "`make upgrade TARGET=local` takes its rows along (docs/upgrades.md). Nothing was "
            "touched."
        )


def make(plan: Plan) -> None:
    """Every directory below; raises TargetError naming the one that could not be made."""
    paths = plan.paths
    private = (
        paths.run_postgres,
        paths.run_pooler,
        paths.run_apache,
        paths.secrets,
        paths.tls,
        paths.log,
        paths.media,
        paths.schedule,
        f"{paths.cache}/{plan.accounts.web}",
        *((paths.run_valkey, paths.valkey) if plan.valkey else ()),
        *((paths.run_metrics, paths.measures) if plan.metrics else ()),
        *((f"{paths.database}/passwords",) if plan.external else ()),
    )
    public = (paths.conf, paths.static, *((paths.database,) if plan.external else ()))
    modes = dict.fromkeys(public, 0o755) | dict.fromkeys(private, 0o700)
    for path, mode in modes.items():
        try:
            Path(path).mkdir(mode=mode, parents=True, exist_ok=True)
            if stat.S_IMODE(Path(path).stat().st_mode) != mode:
                Path(path).chmod(mode)
        except OSError as error:
            raise TargetError(
                f"{path}: {error.strerror}. Free the space, or move away what is there."
            ) from None


@contextmanager
def locked(root: Path) -> Iterator[int]:
    """Hold the directory for one command; yields the lock as a descriptor that children may
    inherit.

    The kernel lets go of it when the last holder ends, so a start that was killed leaves no lock
    behind, and a child that outlives it keeps the next start waiting. Raises TargetError after
    WAIT_SECONDS.
    """
    try:
        handle = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise TargetError(f"STACK_DIR={root}: {error.strerror}.") from None
    try:
        if not lock.acquired(handle, WAIT_SECONDS):
            raise TargetError(
                f"{root}: another command has been working on it for {WAIT_SECONDS} s. Let it "
                "end first."
            )
        yield handle
    finally:
        os.close(handle)


def is_stack(root: Path) -> bool:
    """Whether the plan in it says that it is the directory of a stack."""
    try:
        return bool(json.loads(_marker(root).read_bytes())["paths"]["root"] == str(root))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def delete(root: Path) -> list[str]:
    """Delete what is the stack's in `root`, and `root` when nothing else is in it; returns what was
    kept."""
    try:
        for name in NAMES:
            path = root / name
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        kept = sorted(entry.name for entry in root.iterdir())
        if not kept:
            root.rmdir()
    except OSError as error:
        raise TargetError(f"{error.filename}: {error.strerror}. Delete {root} by hand.") from None
    return kept


def _marker(root: Path) -> Path:
    return root / "conf/plan.json"
