"""Two servers that get the same closed load in turns, so that whatever the machine does meanwhile
hits both alike.

A virtual machine's neighbours take its time in bursts of a second and phases of minutes. Between
two trials one after the other the rate of one and the same stack changed by 5 to 11 % (standard
deviation); between turns of half a second it cancels out (docs/decisions/0005).
"""

from __future__ import annotations

import time
from itertools import cycle
from time import perf_counter as clock

import gevent  # type: ignore[import-untyped]

from loadtest.lab.generator.job import Job, Outcome
from loadtest.lab.generator.run import Report, Run

TURN_SECONDS = 0.5
ORDER = (0, 1, 1, 0)
"""of the turns, again and again: a drift over four of them cancels out too"""
POLL_SECONDS = 0.001


class Pair:
    """The load of `job` on its two servers. Each turn ends when all that was asked in it is
    answered."""

    def __init__(self, job: Job, index: int, report: Report) -> None:
        self.job = job
        self.arms = (Run(job, index, report), Run(_second(job), index, report))
        self.active = [0.0, 0.0]
        """seconds that each server had"""
        self.rates: tuple[list[float], list[float]] = ([], [])

    def outcomes(self) -> tuple[Outcome, Outcome]:
        """Warm up both at once, measure in turns."""
        warmed = [warming.get() for warming in [gevent.spawn(arm.warm) for arm in self.arms]]
        for arm in self.arms:
            self._rest(arm)
        begin, cpu = clock(), time.process_time()
        for arm in self.arms:
            arm.recorder.begin = begin
        self._tell()
        for place in cycle(ORDER):
            self._turn(place)
            if min(self.active) >= self.arms[0].load.seconds:
                break
        self._tell()
        share = (time.process_time() - cpu) / (clock() - begin)
        for arm, (runner, _) in zip(self.arms, warmed, strict=True):
            arm.recorder.end = clock()
            arm.turn.set()
            arm.drain(runner)
        first, second = (self._outcome(place, warmed[place][1], share) for place in (0, 1))
        return first, second

    def _turn(self, place: int) -> None:
        arm, begin = self.arms[place], clock()
        before = arm.recorder.requests
        arm.turn.set()
        gevent.sleep(TURN_SECONDS / 2)
        self._tell()
        gevent.sleep(TURN_SECONDS / 2)
        self._rest(arm)
        seconds = max(arm.recorder.last - begin, TURN_SECONDS)
        self.active[place] += seconds
        self.rates[place].append((arm.recorder.requests - before) / seconds)

    def _tell(self) -> None:
        self.arms[0].tell("measuring", clock() - sum(self.active), 2 * self.arms[0].load.seconds)

    def _rest(self, arm: Run) -> None:
        """The users of `arm` ask nothing more, and what they asked is answered or given up."""
        arm.turn.clear()
        deadline = clock() + self.job.patience
        while arm.recorder.ended < arm.recorder.sent and clock() < deadline:
            gevent.sleep(POLL_SECONDS)

    def _outcome(self, place: int, warm_seconds: float, share: float) -> Outcome:
        outcome = self.arms[place].recorder.outcome(warm_seconds, share)
        return outcome.model_copy(
            update={"seconds": self.active[place], "rates": tuple(self.rates[place])}
        )


def _second(job: Job) -> Job:
    """The job of the second server."""
    asked = {"page": job.against_page, "users": job.against_users}
    differing = {name: value for name, value in asked.items() if value is not None}
    loads = tuple(load.model_copy(update=differing) for load in job.loads)
    return job.model_copy(
        update={"url": job.against, "loads": loads, "headers": job.against_headers}
    )
