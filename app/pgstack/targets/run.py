"""One command that changes the local stack."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pgstack.planning.plan import Plan

Say = Callable[[str], None]


@dataclass(frozen=True)
class Run:
    """The plan that it brings about, where it tells what it does, and the lock of the stack's
    directory: a descriptor that its children inherit. In a container there is none."""

    plan: Plan
    say: Say
    lock: int | None = None

    @property
    def inherited(self) -> list[int]:
        """File descriptors that child processes inherit: the lock's, where one is held."""
        return [] if self.lock is None else [self.lock]
