"""The plan of this host, as Ansible wrote it."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from pgstack.planning.plan import Plan

from .safe import StackctlError

INSTANCES = ("a", "b")
CREDENTIALS = "credentials"
"""directory of secrets that a project reads from files, below that of all secrets"""


class Stack(Plan):
    """The plan, and where its parts are on a host."""

    @property
    def conf(self) -> Path:
        """Where the configuration lies that is wanted."""
        return Path(self.paths.conf)

    @property
    def run(self) -> Path:
        """Where sockets, marks and locks are."""
        return Path(self.paths.run)

    @property
    def root(self) -> Path:
        """Directory of the releases."""
        return Path(self.paths.root)

    def live(self, name: str) -> Path:
        """Directory of the configuration in force of `name`."""
        return self.conf / "live" / name


def read(plan: str) -> Stack:
    """The plan in this file. Raises StackctlError unless this stackctl understands it."""
    path = Path(plan)
    try:
        return Stack.model_validate_json(path.read_bytes())
    except OSError as error:
        raise StackctlError(f"{path}: {error.strerror}. Run the playbook site.yml.") from None
    except ValidationError as error:
        # A plan is written right after the stackctl that reads it, and may be of the one before.
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "it"
        raise StackctlError(
            f"{path}: {place}: {first['msg']}. It is not a plan of this stackctl's version: run "
            f"the playbook site.yml of the checkout that serves; nothing was changed."
        ) from None


def other_instance(instance: str) -> str:
    """The instance that takes over from this one."""
    return INSTANCES[1 - INSTANCES.index(instance)]
