"""The process: `python -m loadtest.lab.generator`, a job on standard input, events on standard
output.

0: the job was done. 2: it is not one. 128 + n: ended by signal n. 1: an error of its own, on
standard error.
"""

from __future__ import annotations

import os
import signal
import sys

from pydantic import ValidationError

from loadtest.lab.generator.job import Job
from loadtest.lab.model import Record

CANNOT = 2


def say(event: Record) -> None:
    """One line; ends the process when nobody listens any more."""
    try:
        sys.stdout.write(event.model_dump_json() + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        os._exit(128 + signal.SIGPIPE)


def main() -> int:
    """Read, run, and return the exit status."""
    try:
        job = Job.model_validate_json(sys.stdin.readline())
    except ValidationError as error:
        print(error, file=sys.stderr)
        return CANNOT
    if job.cores:
        os.sched_setaffinity(0, job.cores)
    if any(load.kind == "open" for load in job.loads):
        # libev's epoll wakes up to a millisecond late (measured: 0.6 ms in the median); its select,
        # 0.1 ms.
        os.environ["GEVENT_BACKEND"] = "select"
    import gevent  # type: ignore[import-untyped]

    from loadtest.lab.generator.loads import all_loads  # Locust's import takes most of a second

    for number in (signal.SIGINT, signal.SIGTERM):
        gevent.signal_handler(number, os._exit, 128 + number)
    all_loads(job, say, say)
    return 0


if __name__ == "__main__":
    sys.exit(main())
