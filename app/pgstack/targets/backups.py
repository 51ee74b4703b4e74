"""`make backup` and `make restore` of the local target."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from pgstack.errors import InputError, TargetError
from pgstack.ops import passphrase, restic, together
from pgstack.ops.restic import Repository
from pgstack.planning import backup_place
from pgstack.planning.config import StackConfig
from pgstack.planning.layout import stack_directory
from pgstack.planning.plan import Plan
from pgstack.planning.services import postgres_program
from pgstack.targets import supervision
from pgstack.targets.run import Say

KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
"""variables of who types the command: keys are no inputs, for no file is to hold them"""


def repository(config: StackConfig, say: Say, make: bool) -> Repository:
    """Where the inputs want backups. Raises InputError, TargetError."""
    if config.backup in (None, "off"):
        raise InputError(
            "STACK_BACKUP: no destination. Set STACK_BACKUP=local and STACK_BACKUP_PATH, a "
            "directory, or STACK_BACKUP=s3 with STACK_BACKUP_HOST and STACK_BACKUP_BUCKET."
        )
    if shutil.which("restic") is None:
        raise TargetError("restic is missing. Install it: apt-get install restic.")
    if config.backup == "s3":
        missing = [name for name in KEYS if not os.environ.get(name)]
        if missing:
            raise InputError(f"STACK_BACKUP=s3 needs the variables {' and '.join(missing)}.")
        where = backup_place.bucket(
            config.backup_host or "",
            config.backup_bucket or "",
            config.backup_region,
            str(config.backup_path),
        )
        keys = {name: os.environ[name] for name in KEYS}
        return Repository(where[0], _secrets(say, make) | keys, where[1])
    if config.backup_path.resolve().is_relative_to(stack_directory(config)):
        raise InputError(
            f"STACK_BACKUP_PATH={config.backup_path}: it lies in STACK_DIR, and would be lost with "
            "it. Name a directory elsewhere."
        )
    return Repository(str(config.backup_path), _secrets(say, make))


def _secrets(say: Say, make: bool) -> dict[str, str]:
    return {"RESTIC_PASSWORD": passphrase.read(say, make)}


def make_place(config: StackConfig, owner: Path) -> None:
    """A directory that the stack's account may write, where root asks and there is none. Raises
    TargetError."""
    if config.backup != "local" or os.geteuid() or config.backup_path.exists():
        return
    found = owner.stat()
    try:
        config.backup_path.mkdir(mode=0o700, parents=True)
        os.chown(config.backup_path, found.st_uid, found.st_gid)
    except OSError as error:
        raise TargetError(f"STACK_BACKUP_PATH={config.backup_path}: {error.strerror}.") from None


def keep(plan: Plan, kept: Repository, say: Say) -> None:
    """Back up what runs. Raises TargetError."""
    instead = "a backup needs its database"
    supervision.require_running(plan, "backup", instead)
    kept.make()
    say(f"kept      {together.keep(_stack(plan), kept).text}, in {kept.place}")


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
    backup = together.choose(kept, name)
    return lambda plan: together.bring_back(_stack(plan), kept, backup, say)


def _stack(plan: Plan) -> together.Stack:
    return together.Stack(
        database=plan.postgres.database,
        admin=plan.roles.admin,
        sockets=plan.paths.run_postgres,
        roles=f"{plan.paths.conf}/postgres/roles.sql",
        tree=plan.paths.media,
        directory=f"{Path(postgres_program(plan, 'psql')).parent}/",
        python=(sys.executable,),
    )
