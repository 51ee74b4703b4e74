"""The plan of this host, as Ansible wrote it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .safe import Refused

PLAN = Path("/etc/stack/plan.json")
INSTANCES = ("a", "b")
CREDENTIALS = "credentials"
"""directory of secrets that a project reads from files, below that of all secrets"""


@dataclass(frozen=True)
class Stack:
    """The parts of plan.json under their names."""

    plan: dict[str, Any]

    def __getattr__(self, name: str) -> Any:
        return self.plan[name]

    @property
    def conf(self) -> Path:
        """Where the configuration lies that is wanted."""
        return Path(self.paths["conf"])

    @property
    def root(self) -> Path:
        """Where the releases are."""
        return Path(self.paths["root"])

    def live(self, name: str) -> Path:
        """Directory of the configuration in force of `name`."""
        return self.conf / "live" / name


def read() -> Stack:
    """The plan. Raises Refused when there is none."""
    path = Path(os.environ.get("STACK_PLAN", PLAN))
    try:
        return Stack(json.loads(path.read_bytes()))
    except (OSError, ValueError) as error:
        raise Refused(f"{path}: {error}. Run the playbook site.yml.") from None


def other(instance: str) -> str:
    """The instance that takes over from this one."""
    return INSTANCES[1 - INSTANCES.index(instance)]
