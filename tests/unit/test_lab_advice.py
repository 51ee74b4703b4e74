"""Advice by a run of the load lab: which of its trials count, what follows from them, and whether
another run shows that it mended the stack."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from loadtest.lab import advice, store
from loadtest.lab.model import TWIN, Inward, Results, Trial

from fixtures.lab_results import results, trial
from fixtures.local_stack import CHECKOUT
from fixtures.sized import sized
from pgstack.errors import InputError
from pgstack.metrics.measured import Measured

MB = 1024**2
WAITS = Inward(
    queue=0.6,
    python=0.02,
    pool_wait=0.0,
    sql=0.18,
    lent=0.18,
    p99=1.5,
    memory=60 * MB,
    statements=(),
)
"""seconds of a request that waits for a thread"""
CALM = WAITS.model_copy(update={"queue": 0.0, "p99": 0.3})


def waiting(block: int = 0, **fields: object) -> Trial:
    return trial(**{"block": block, "rate": 20.0, "users": 16, "inward": WAITS} | fields)


def kept(directory: Path, own: Results, **inputs: object) -> Path:
    """A run, with the plan of a stack of 2 processes."""
    store.Journal(own, directory).keep(sized(2, 4096, **inputs))
    store.write(own, directory)
    return directory


def test_requests_at_a_time_follow_from_seconds_of_a_request_and_their_rate() -> None:
    assert advice.measured(results([waiting()])) == Measured(
        seconds=10.0,
        of=10.0,
        requests=20.0,
        queue=12.0,
        python=0.4,
        pool_wait=0.0,
        sql=3.6,
        lent=3.6,
        workers=16,
        lock_waiters=0.0,
        cpu=0.05,
        p99=1.5,
        memory=60 * MB,
    )


def test_the_load_with_most_requests_at_a_time_counts_and_all_its_trials() -> None:
    few = waiting(purpose="ladder", users=4, inward=CALM, rate=50.0)
    busiest = advice.measured(
        results([few, waiting(), waiting(1, inward=WAITS.model_copy(update={"queue": 0.4}))])
    )
    assert (busiest.seconds, busiest.queue, busiest.workers) == (20.0, 10.0, 16)


def test_only_valid_trials_of_the_stack_as_planned_count() -> None:
    others = [
        waiting(label="psycopg-pool", inward=WAITS.model_copy(update={"queue": 9.0})),
        waiting(void=("generator used 74% of its core, more than 70%",)),
        waiting(1, inward=None),
    ]
    with pytest.raises(InputError, match="no valid trial of the stack as planned"):
        advice.measured(results(others))
    twin = waiting(label="pgbouncer-transaction" + TWIN)
    assert advice.measured(results([*others, twin])).queue == pytest.approx(12.0)
    with pytest.raises(InputError, match=r"^150 requests in 10 s: too few to judge by \(200\)"):
        advice.measured(results([waiting(rate=15.0)]))


def test_each_page_of_the_suite_of_pages_is_asked_of_the_stack_as_planned() -> None:
    own = results([waiting(label="/updates?n=1")], suite="pages", reference="/db")
    assert advice.measured(own).queue == pytest.approx(12.0)


def advise(*words: str) -> subprocess.CompletedProcess[str]:
    environment = {n: value for n, value in os.environ.items() if not n.startswith("STACK_")}
    command = [sys.executable, str(CHECKOUT / "app/manage.py"), "stack_advise", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_another_run_says_whether_it_was_mended(tmp_path: Path) -> None:
    small = kept(tmp_path / "small", results([waiting()]), threads=2, pool_size=20)
    given = advise(f"--from={small}")
    assert given.returncode == 0, given.stderr
    assert (
        "STACK_THREADS  2 -> 10\n"
        "  because  20.0 requests/s x (0.200 s at work + 0.600 s until a thread is free) = 16.0 at a "
        "time (Little's law); / 0.8 / 2 processes\n"
        "  brings   up to 0.600 s less a request\n" in given.stdout
    )
    assert "next      make loadtest STACK_THREADS=10 " in given.stdout

    early = advise(f"--from={small}", "--check")
    assert early.returncode == 1
    assert "STACK_THREADS=10  not in force: it is 2, 10 was advised" in early.stdout

    calm = results([waiting(inward=CALM, rate=80.0)])
    mended = advise(
        f"--from={kept(tmp_path / 'mended', calm, threads=10, pool_size=20)}/results.json",
        "--check",
    )
    assert mended.returncode == 0, mended.stdout + mended.stderr
    assert (
        "STACK_THREADS=10  mended: 0.600 s until a thread is free before, 0.000 s until a thread "
        "is free now" in mended.stdout
    )


@pytest.mark.parametrize(
    ("without", "said"),
    [
        (store.RECORDS, "No such file or directory. Name the results.json of an earlier run."),
        (store.PLAN, "no plan of this version; measure again: make loadtest."),
    ],
)
def test_what_is_no_run_is_refused_in_one_line(tmp_path: Path, without: str, said: str) -> None:
    run = kept(tmp_path / "run", results([waiting()]))
    (run / without).unlink()
    done = advise(f"--from={run}")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"{run / without}: {said}\n"
