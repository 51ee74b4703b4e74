"""Locust as a library, headless: the loads of a job one after another."""

from __future__ import annotations

import math
import os
import sys
import time
import traceback
from collections.abc import Callable
from time import perf_counter as clock
from types import TracebackType
from typing import Literal

import gevent  # type: ignore[import-untyped]
from gevent.event import Event  # type: ignore[import-untyped]
from locust.env import Environment
from locust.runners import LocalRunner

from loadtest.lab.generator.job import Job, Outcome, Progress
from loadtest.lab.generator.recorder import Recorder
from loadtest.lab.generator.schedule import WINDOW_SECONDS, is_flat
from loadtest.lab.generator.users import user_class
from loadtest.lab.model import Load

Report = Callable[[Progress], None]
Phase = Literal["warming", "measuring", "draining"]


class Run:
    """One load on one server: its users, its recorder and what is reported of it."""

    def __init__(self, job: Job, index: int, report: Report) -> None:
        self.job, self.index, self.report = job, index, report
        self.load: Load = job.loads[index]
        self.recorder = Recorder(self.load, job.seed, job.max_rate or math.inf)
        self.turn = Event()
        self.turn.set()

    def outcome(self) -> Outcome:
        """Warm up, measure, wait for the last answers."""
        runner, warm_seconds = self.warm()
        self.recorder.measure(clock())
        begin, cpu = clock(), time.process_time()
        self.tell("measuring", begin, self.load.seconds)
        while (left := self.recorder.end - clock()) > 0:
            gevent.sleep(min(WINDOW_SECONDS, left))
            self.tell("measuring", begin, self.load.seconds)
        share = (time.process_time() - cpu) / (clock() - begin)
        self.drain(runner)
        return self.recorder.outcome(warm_seconds, share)

    def warm(self) -> tuple[LocalRunner, float]:
        """The users, once their rate has settled; how many seconds that took."""
        runner, started = self._users(), clock()
        self.tell("warming", started, self.job.warm_max)
        self._warm_up(started)
        return runner, clock() - started

    def _users(self) -> LocalRunner:
        kind = user_class(self.job, self.load, self.recorder, self.turn)
        environment = Environment(user_classes=[kind], host=self.job.url, catch_exceptions=False)
        environment.events.user_error.add_listener(give_up)  # type: ignore[no-untyped-call]
        runner = environment.create_local_runner()
        runner.start(self.load.users, spawn_rate=self.load.users)
        return runner

    def _warm_up(self, started: float) -> None:
        counts: list[int] = []
        while (passed := clock() - started) < self.job.warm_max:
            if passed >= self.job.warm_min and is_flat(counts):
                return
            before = self.recorder.answered
            gevent.sleep(WINDOW_SECONDS)
            counts.append(self.recorder.answered - before)
            self.tell("warming", started, self.job.warm_max)

    def drain(self, runner: LocalRunner) -> None:
        """Wait for the last answers, and end the users."""
        begin, patience = clock(), self.job.patience
        self.tell("draining", begin, patience)
        while len(runner.user_greenlets) and (left := begin + patience - clock()) > 0:
            runner.user_greenlets.join(timeout=min(WINDOW_SECONDS, left))
            self.tell("draining", begin, patience)
        runner.quit()

    def tell(self, phase: Phase, begin: float, total: float) -> None:
        """Report the phase that began at `begin`."""
        seen = self.recorder
        self.report(
            Progress(
                index=self.index,
                phase=phase,
                done=clock() - begin,
                total=total,
                requests=seen.requests,
                failures=seen.failures,
            )
        )


def give_up(exception: BaseException, tb: TracebackType, **_: object) -> None:
    """An error of our own in a user: Locust would go on without this user."""
    traceback.print_exception(type(exception), exception, tb, file=sys.stderr)
    sys.stderr.flush()
    os._exit(1)
