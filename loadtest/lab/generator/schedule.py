"""When requests are sent, and when a rate has settled. Pure functions of numbers."""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Iterator, Sequence

WINDOW_SECONDS = 0.5
WINDOWS = 2
"""compared with as many before them"""
FLAT = 0.05
"""difference between the two that still counts as none"""


def is_flat(counts: Sequence[int]) -> bool:
    """Whether the rate has settled: `counts` are the requests answered in each half second so far.

    The last second is compared with the one before. What chance alone does to two counts of this
    size (the standard deviation of a difference of Poisson counts) is not a slope.
    """
    before, now = sum(counts[-2 * WINDOWS : -WINDOWS]), sum(counts[-WINDOWS:])
    if len(counts) < 2 * WINDOWS or not before or not now:
        return False
    return abs(now - before) <= max(FLAT * before, math.sqrt(now + before))


def arrivals(rate: float, seed: int, most: float = math.inf) -> Iterator[float]:
    """Seconds from the start at which requests are due: a Poisson process of `rate` per second,
    without end.

    One that comes within 1/`most` seconds of the one before is due that much after it: what a
    maximum rate holds back is no wait for the server.
    """
    draw, moment, due = random.Random(seed).expovariate, 0.0, -math.inf
    while True:
        moment += draw(rate)
        due = max(moment, due + 1 / most)
        yield due


class Pace:
    """Hands out moments to send, never more than `rate` per second and never two at once."""

    def __init__(self, rate: float) -> None:
        self.interval = 1 / rate
        self.next = -math.inf

    def wait(self, now: float) -> float:
        """Seconds that the caller has to wait at the time `now` before it sends; it must send
        then."""
        moment = max(now, self.next)
        self.next = moment + self.interval
        return moment - now


def shares(weights: Sequence[float]) -> Iterator[int]:
    """Places in `weights`, without end, each as often as its weight says and as evenly as can be.

    Stride scheduling (Waldspurger and Weihl, 1995): a short run has the same shares as a long one,
    which a draw would not have.
    """
    due = [(0.5 / weight, place) for place, weight in enumerate(weights)]
    heapq.heapify(due)
    while True:
        moment, place = due[0]
        heapq.heapreplace(due, (moment + 1 / weights[place], place))
        yield place
