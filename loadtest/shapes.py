"""How the number of users changes over time, for Locust: `SHAPE=spike locust -f
loadtest/locustfile.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from locust import LoadTestShape

from pgstack.errors import InputError


@dataclass(frozen=True)
class Stage:
    """So many users for so many seconds."""

    seconds: int
    users: int


STAGES: dict[str, tuple[Stage, ...]] = {
    "ladder": tuple(Stage(15, 2**power) for power in range(9)),
    "spike": (Stage(30, 8), Stage(15, 128), Stage(45, 8)),
    "waves": (Stage(30, 8), Stage(30, 32)) * 4,
}
"""name of a shape → its stages: one user to 256, a crowd that comes at once and goes, a load that
comes and goes"""


class Staged(LoadTestShape):
    """Goes through `stages` and stops."""

    abstract = True
    stages: ClassVar[tuple[Stage, ...]] = ()

    def tick(self) -> tuple[int, float] | None:
        """Users and users started per second at this moment; None at the end."""
        passed = self.get_run_time()  # type: ignore[no-untyped-call]
        for stage in self.stages:
            if passed < stage.seconds:
                return stage.users, float(stage.users)  # all of them at once
            passed -= stage.seconds
        return None


def shape(name: str) -> type[Staged]:
    """The class of a shape. Raises InputError when there is none of that name."""
    if name not in STAGES:
        raise InputError(f"SHAPE={name}: no such shape. There are {', '.join(STAGES)}.")
    return type(name.capitalize(), (Staged,), {"stages": STAGES[name], "abstract": False})
