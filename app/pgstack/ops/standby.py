"""Which standby of a cluster is read from, by how far each is behind the primary. Pure, as
`primary`.

No clock of another host counts, and no timestamp in WAL, which stands still while nobody writes:
the primary said at some moment how far it had written, and a standby that has replayed that far is
behind by the time since then at most.
"""

from __future__ import annotations

import hashlib
import math
from collections import deque
from collections.abc import Iterable, Mapping

KEPT = 2
"""times the lag that is allowed: what the primary said before that is forgotten"""


class Lags:
    """How far behind each standby is at most, in seconds."""

    def __init__(self, most: float) -> None:
        self.most = most
        self._written: deque[tuple[float, int]] = deque()
        self._replayed: dict[str, tuple[float, int]] = {}

    def forget(self) -> None:
        """Begin anew: another member leads."""
        self._written.clear()
        self._replayed.clear()

    def wrote(self, location: int, asked: float) -> None:
        """Note how far the primary has written, and when it was asked."""
        self._written.append((asked, location))
        while asked - self._written[0][0] > KEPT * self.most:
            self._written.popleft()

    def replayed(self, member: str, location: int | None, asked: float) -> None:
        """Note how far a standby has replayed; None: it is none that follows. One that does not
        answer is not noted, and so falls behind."""
        if location is None:
            self._replayed.pop(member, None)
        else:
            self._replayed[member] = asked, location

    def behind(self, now: float) -> dict[str, float]:
        """Of each standby that follows, which is infinite for one that is too far to tell."""
        return {name: now - self._since(*said) for name, said in self._replayed.items()}

    def _since(self, heard: float, location: int) -> float:
        known = (asked for asked, written in reversed(self._written) if written <= location)
        return min(heard, next(known, -math.inf))


def choose(
    behind: Mapping[str, float], before: str, order: Iterable[str], most: float
) -> str | None:
    """The standby to read from, None for the primary: the one before while it is near enough, else
    the first in `order` that is nearer than half of that, so that none comes and goes."""
    if behind.get(before, math.inf) <= most:
        return before
    near = (member for member in order if behind.get(member, math.inf) <= most / 2)
    return next(near, None)


def order(members: Iterable[str], host: str) -> list[str]:
    """The members as this host prefers them: web hosts do not all read from the same."""
    return sorted(members, key=lambda name: hashlib.sha256(f"{host} {name}".encode()).digest())
