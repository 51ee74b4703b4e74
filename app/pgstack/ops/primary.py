"""Which member of a cluster is its primary, from what the members say, and for how long requests
are held back. Pure: who asks and who commands PgBouncer is in stackctl."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Led:
    """A member that leads, the timeline that it writes, and the epoch: how often a major upgrade or
    the way back has put another database in the place of the one before."""

    member: str
    timeline: int
    epoch: int = 0

    @property
    def age(self) -> tuple[int, int]:
        """Higher than that of all who led before: each epoch has timelines of its own."""
        return self.epoch, self.timeline


def choose(claims: Sequence[Led], before: Led | None) -> Led | None:
    """The primary: the member with the highest timeline of the latest epoch, of those that claim
    to lead; None when nobody is to be trusted.

    A host that was cut off may go on claiming for a while. It never wins: it has an older timeline
    than its successor, and once a successor was seen no older one counts. Two members that claim
    one timeline must not be (a cluster that has lost writes looks so): neither does.
    """
    highest = max((claim.age for claim in claims), default=None)
    claiming = [claim for claim in claims if claim.age == highest]
    if len(claiming) != 1:
        return None
    led = claiming[0]
    if before is None or led == before or led.age > before.age:
        return led
    return None


@dataclass(frozen=True)
class Hold:
    """What holds requests back, since when, in seconds; both empty while they pass."""

    since: float | None = None
    over: bool = False
    """whether they were held for as long as they may be, and pass until somebody leads again"""


def held(hold: Hold, *, wanted: bool, now: float, longest: float) -> Hold:
    """`hold` after another look: `wanted` while nobody leads, or a switchover is near."""
    if not wanted:
        return Hold()
    since = now if hold.since is None else hold.since
    return Hold(since, over=now - since >= longest)
