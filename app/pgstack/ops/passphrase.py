"""The passphrase of the caller's backups: outside of every stack, so that deleting a stack does not
lose it, and the same for all stacks, so that only one file has to be copied elsewhere."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path

from pgstack.errors import TargetError

NAME = "pgstack/backup-passphrase"


def path() -> Path:
    """File of the passphrase, in the caller's configuration directory."""
    home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(home, NAME)


def read(say: Callable[[str], None], make: bool) -> str:
    """The passphrase, made where there is none and `make` allows it. Raises TargetError."""
    place = path()
    try:
        if make and not place.exists():
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as opened:
                opened.write(secrets.token_urlsafe(48) + "\n")
            say(
                f"passphrase  made: {place}. Without it the backups are worthless: copy it to a "
                "safe place away from this machine, today"
            )
        return place.read_text().strip()
    except FileNotFoundError:
        raise TargetError(
            f"{place}: no such file. Put the passphrase there that the backups were made with."
        ) from None
    except OSError as error:
        raise TargetError(f"{place}: {error.strerror}. Backups need a passphrase there.") from None
