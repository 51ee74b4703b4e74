"""Where `make backup` writes, and the keys that this takes. Standard library only: what runs
containers reads it too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from pgstack.errors import InputError
from pgstack.planning import backup_place

KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
"""variables of the caller's environment: keys are not inputs, because no file may hold them"""
NONE = (
    "STACK_BACKUP: no destination. Set STACK_BACKUP=local and STACK_BACKUP_PATH, a directory, or "
    "STACK_BACKUP=s3 with STACK_BACKUP_HOST and STACK_BACKUP_BUCKET."
)


@dataclass(frozen=True)
class Destination:
    """A directory, or one in a bucket."""

    path: str
    host: str = ""
    """of a bucket's endpoint; empty for a directory of this machine"""
    bucket: str = ""
    region: str = ""

    def plain(self) -> dict[str, str]:
        """Its fields as a dict, for JSON."""
        return asdict(self)

    def place(self) -> tuple[str, tuple[str, ...]]:
        """Repository, as restic names it, and options."""
        if not self.host:
            return self.path, ()
        return backup_place.bucket(self.host, self.bucket, self.region, self.path)

    def keys(self, environ: Mapping[str, str]) -> dict[str, str]:
        """What a bucket takes; nothing for a directory. Raises InputError."""
        if not self.host:
            return {}
        if missing := [name for name in KEYS if not environ.get(name)]:
            raise InputError(f"STACK_BACKUP=s3 needs the variables {' and '.join(missing)}.")
        return {name: environ[name] for name in KEYS}
