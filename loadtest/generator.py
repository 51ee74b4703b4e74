"""Locust as a library: one bounded run against one address."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import gevent  # type: ignore[import-untyped]
from locust.env import Environment

from loadtest.figures import LONGEST_US, Result, histogram, percentile
from loadtest.inputs import WARM_SECONDS, Load, is_loopback
from loadtest.locustfile import Visitor
from pgstack.errors import TargetError

Progress = Callable[[float, int, int], None]
STEP_SECONDS = 0.25


class Recorder:
    """Counts the requests that are sent and answered between `begin` and `end`."""

    def __init__(self) -> None:
        self.times = histogram()
        self.requests = self.failures = 0
        self.reasons: dict[str, int] = {}
        self.measuring = False

    def record(self, response_time: float, exception: BaseException | None, **_: Any) -> None:
        """Locust's `request` event; `response_time` is in milliseconds."""
        if not self.measuring:
            return
        self.requests += 1
        if exception:
            self.failures += 1
            reason = str(exception) or type(exception).__name__
            self.reasons[reason] = self.reasons.get(reason, 0) + 1
        else:
            self.times.record_value(min(max(round(response_time * 1000), 1), LONGEST_US))


def run(url: str, load: Load, progress: Progress) -> Result:
    """Load `url` and return what was measured. `progress` gets seconds done, requests and failures.

    Raises TargetError for an address that is not on this host.
    """
    if not is_loopback(url):
        raise TargetError(f"{url}: load goes to this host only.")
    environment = Environment(user_classes=[Visitor], host=url)
    recorder = Recorder()
    environment.events.request.add_listener(recorder.record)  # type: ignore[no-untyped-call]
    runner = environment.create_local_runner()
    started = time.monotonic()
    runner.start(load.users, spawn_rate=load.users)
    _watch(started, WARM_SECONDS, lambda done: progress(done, 0, 0))
    recorder.measuring, begin, cpu = True, time.monotonic(), time.process_time()
    _watch(begin, load.seconds, lambda done: progress(done + WARM_SECONDS, recorder.requests, recorder.failures))
    recorder.measuring, seconds, cpu = False, time.monotonic() - begin, time.process_time() - cpu
    runner.quit()
    worst = sorted(recorder.reasons, key=lambda reason: -recorder.reasons[reason])[:3]
    return Result(
        recorder.requests, recorder.failures, seconds, percentile(recorder.times, 50), percentile(recorder.times, 99),
        cpu / seconds, tuple(f"{recorder.reasons[reason]} × {reason}" for reason in worst),
    )  # fmt: skip


def _watch(begin: float, seconds: float, show: Callable[[float], None]) -> None:
    while (done := time.monotonic() - begin) < seconds:
        show(done)
        gevent.sleep(min(STEP_SECONDS, seconds - done))
