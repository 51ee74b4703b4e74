"""`make backup` and `make restore` of the local target.

`python -m pgstack.targets.backups` says where the inputs want backups, for Compose's.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

from pgstack.errors import InputError, TargetError, ends_the_process
from pgstack.ops import passphrase, restic, together
from pgstack.ops.destination import NONE, Destination
from pgstack.ops.restic import Repository
from pgstack.planning import layout, packages, state
from pgstack.planning.config import StackConfig
from pgstack.planning.layout import stack_directory
from pgstack.planning.plan import Plan
from pgstack.planning.services import postgres_program
from pgstack.targets import supervision
from pgstack.targets.run import Say


def destination(config: StackConfig) -> Destination:
    """Where the inputs want backups. Raises InputError."""
    if config.backup in (None, "off"):
        raise InputError(NONE)
    if config.backup == "local":
        return Destination(str(config.backup_path))
    return Destination(
        str(config.backup_path),
        config.backup_host or "",
        config.backup_bucket or "",
        config.backup_region,
    )


def repository(config: StackConfig, say: Say, make: bool) -> Repository:
    """The same, opened. Raises InputError, TargetError."""
    wanted = destination(config)
    if missing := packages.missing(packages.BACKUPS):
        raise TargetError(packages.refusal(missing))
    keys = wanted.keys(os.environ)
    inside = config.backup_path.resolve().is_relative_to(stack_directory(config))
    if config.backup == "local" and inside:
        raise InputError(
            f"STACK_BACKUP_PATH={config.backup_path}: it lies in STACK_DIR, and would be lost with "
            "it. Name a directory elsewhere."
        )
    place, options = wanted.place()
    return Repository(place, _secrets(say, make) | keys, options)


def _secrets(say: Say, make: bool) -> dict[str, str]:
    return {"RESTIC_PASSWORD": passphrase.read(say, make)}


def make_place(config: StackConfig, owner: Path) -> None:
    """A directory that the stack's account may write, where root asks and there is none. Raises
    TargetError."""
    if config.backup != "local" or os.geteuid() or config.backup_path.exists():
        return
    status = owner.stat()
    try:
        config.backup_path.mkdir(mode=0o700, parents=True)
        os.chown(config.backup_path, status.st_uid, status.st_gid)
    except OSError as error:
        raise TargetError(f"STACK_BACKUP_PATH={config.backup_path}: {error.strerror}.") from None


def save(plan: Plan, kept: Repository, say: Say) -> None:
    """Back up what runs. Raises TargetError."""
    if plan.external is None:
        supervision.require_running(plan, "backup", "a backup needs its database")
    kept.make()
    backup = together.save(_stack(plan), kept)
    Path(layout.backed_up(plan)).write_text(str(backup.moment))
    say(together.kept_text(backup, kept.place))


def require_room(config: StackConfig, overwrite: bool) -> None:
    """Raise TargetError where something is there that a restore was not told to replace."""
    root = stack_directory(config)
    if overwrite:
        return
    if (root / "data").exists() or restic.holds_files(root / "media"):
        raise TargetError(
            f"{root} holds a database or files. `make restore OVERWRITE=yes` puts the backup in "
            "their place, and keeps what is there aside; nothing was changed."
        )


def chosen(config: StackConfig, name: str, say: Say) -> Callable[[Plan], None]:
    """What brings a backup back once PostgreSQL runs. Raises StackError."""
    kept = repository(config, say, make=False)
    backup = together.choose(kept, name, with_rows=config.database_url is None)
    return lambda plan: together.bring_back(_stack(plan), kept, backup, say)


def _stack(plan: Plan) -> together.Stack:
    return together.Stack(
        database="" if plan.external else plan.postgres.database,
        admin=plan.roles.admin,
        sockets=plan.paths.run_postgres,
        roles=f"{plan.paths.conf}/postgres/roles.sql",
        tree=plan.paths.media,
        directory=f"{Path(postgres_program(plan, 'psql')).parent}/",
        python=(sys.executable,),
    )


if __name__ == "__main__":
    with ends_the_process():
        print(json.dumps(destination(state.inputs()).plain()))
