"""The loads of a job, one after another."""

from __future__ import annotations

import logging
from collections.abc import Callable

from loadtest.lab.generator.job import Job, Outcome
from loadtest.lab.generator.pair import Pair
from loadtest.lab.generator.run import Report, Run


def all_loads(job: Job, report: Report, finished: Callable[[Outcome], None]) -> None:
    """Run the loads of `job`; `finished` gets each outcome as soon as there is one, those of a pair
    one by one."""
    logging.getLogger("locust").setLevel(logging.ERROR)  # it warns of fast starts, which are meant
    for index in range(len(job.loads)):
        if job.against:
            for outcome in Pair(job, index, report).outcomes():
                finished(outcome)
        else:
            finished(Run(job, index, report).outcome())
