"""Counts what was sent and answered under one load."""

from __future__ import annotations

import math
from itertools import takewhile

from loadtest.lab import histograms
from loadtest.lab.generator.job import Outcome
from loadtest.lab.generator.schedule import arrivals
from loadtest.lab.model import Load

US = 1_000_000
TIMED_OUT = "timed out"
"""the reason of a request that counts as unanswered, not as failed"""


class Recorder:
    """All times are in seconds of one monotonic clock. The measured part lasts from `begin` to
    `end`.

    Closed loop: an answer belongs to the measured part when it comes in it, a failure also when it
    comes later. Open loop: a request belongs to it when it is due in it, however late it is sent or
    answered; otherwise the slowest answers would be left out.
    """

    def __init__(self, load: Load, seed: int, most: float = math.inf) -> None:
        self.load, self.seed, self.most = load, seed, most
        self.begin = self.end = math.inf
        self.origin = 0.0
        self.last = 0.0
        self.sent = self.ended = self.answered = self.timed_out = 0
        self.requests = self.failures = 0
        self.reasons: dict[str, int] = {}
        self.latency, self.corrected = histograms.empty(), histograms.empty()
        self.per_second = [0] * max(1, int(load.seconds))

    def measure(self, now: float) -> None:
        """Begin to measure at `now` (seconds): the warm-up is over."""
        self.end = now + self.load.seconds
        self.begin = now

    def record(
        self, sent: float, done: float, reason: str | None, due: float | None = None
    ) -> None:
        """A request ended at `done`; `reason` says why it failed, `due` when an open loop wanted it
        sent."""
        self.ended += 1
        self.last = done
        if reason is None:
            self.answered += 1
        moment = done if due is None else due
        if moment < self.begin or (moment >= self.end and (reason is None or due is not None)):
            return
        if reason == TIMED_OUT:
            self.timed_out += 1
            return
        if reason is not None:
            self.failures += 1
            self.reasons[reason] = self.reasons.get(reason, 0) + 1
            return
        self.requests += 1
        histograms.record(self.latency, (done - sent) * US)
        if due is not None:
            histograms.record(self.corrected, (done - due) * US)
        second = int(done - self.begin)
        if second < len(self.per_second):
            self.per_second[second] += 1

    def unanswered(self) -> int:
        """Requests of the measured part that are neither answered nor failed."""
        if self.load.rate is None:
            return self.sent - self.ended + self.timed_out
        times = (self.origin + moment for moment in arrivals(self.load.rate, self.seed, self.most))
        due = sum(
            moment >= self.begin for moment in takewhile(lambda moment: moment < self.end, times)
        )
        return due - self.requests - self.failures

    def outcome(self, warm_seconds: float, cpu: float) -> Outcome:
        """`cpu` is the share of one core that this process used from `begin` to `end`."""
        return Outcome(
            load=self.load,
            warm_seconds=warm_seconds,
            seconds=self.end - self.begin,
            requests=self.requests,
            failures=self.failures,
            unanswered=self.unanswered(),
            reasons=self.reasons,
            latency=histograms.encode(self.latency),
            corrected=None if self.load.rate is None else histograms.encode(self.corrected),
            rates=tuple(count / min(1.0, self.load.seconds) for count in self.per_second),
            generator_cpu=cpu,
            sent=self.sent,
        )
