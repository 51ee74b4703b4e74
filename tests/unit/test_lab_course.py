"""The course of a run: its rates, its time left, its interrupts, and what a host gets."""

from __future__ import annotations

import io
import os
import signal
from collections.abc import Iterator
from itertools import islice, pairwise

import pytest
from loadtest.lab import course, host, interrupts, progress, summary
from loadtest.lab.design import Slot
from loadtest.lab.generator import Progress
from loadtest.lab.generator.schedule import arrivals
from loadtest.lab.model import Load
from rich.console import Console

from fixtures.lab_results import results, trial


def test_capacity_is_that_of_the_blocks_else_the_best_step() -> None:
    ladder = [
        trial("pgpool", 0, rate, purpose="ladder", users=users)
        for users, rate in ((1, 50), (8, 300), (16, 200))
    ]
    broken = trial("pgpool", 0, 900, purpose="ladder", users=32, void=("1 failed",))
    blocks = [trial("pgpool", block, rate) for block, rate in enumerate((100, 400))]
    assert summary.capacity(results([*ladder, broken]), "pgpool") == 300
    assert summary.capacity(results([*ladder, *blocks]), "pgpool") == pytest.approx(200)
    assert summary.capacity(results([broken]), "pgpool") is None


def test_open_loop_comes_at_its_share_of_the_capacity() -> None:
    slot = Slot("open", 2, "pgpool", 64, 0.7)
    assert course.load(slot, "/db", 4, 300.0) == Load(
        kind="open", page="/db", users=64, rate=210.0, seconds=4
    )
    assert course.load(slot, "/db", 4, None).rate == 100.0
    assert course.load(Slot("block", 0, "pgpool", 16), "/db", 4, 300.0).kind == "closed"


def test_time_left_is_what_is_expected_until_a_step_is_made_and_then_as_slow_as_that() -> None:
    expected = [10.0, 10.0, 30.0]
    assert progress.left(expected, 0, 0.0) == 50
    assert progress.left(expected, 1, 15.0) == 60
    assert progress.left(expected, 2, 10.0) == 15
    assert progress.left(expected, 3, 99.0) == 0


def test_time_is_shown_as_a_clock() -> None:
    assert [progress.clock(seconds) for seconds in (0, 5.4, 65, 3723)] == [
        "0:00",
        "0:05",
        "1:05",
        "1:02:03",
    ]


def steps(console: Console) -> None:
    with progress.shown(console, [10.0, 10.0]) as meter:
        for label in ("pgbouncer-transaction-reconnect", "no-query"):
            meter.begin(label)
            meter.see(Progress(index=0, phase="measuring", done=1, total=2, requests=3, failures=0))
            meter.end("2,000 requests/s")


def test_a_pipe_gets_one_plain_line_for_each_step() -> None:
    out = io.StringIO()
    steps(Console(file=out, width=40))
    assert out.getvalue().splitlines() == [
        "1/2  pgbouncer-transaction-reconnect  2,000 requests/s, 0:00 left",
        "2/2  no-query                         2,000 requests/s, 0:00 left",
    ]


def test_a_terminal_of_eighty_columns_shows_all_of_the_bar() -> None:
    console = Console(file=io.StringIO(), width=80, force_terminal=True, color_system=None)
    with progress.shown(console, [100.0] * 180) as meter:
        meter.begin("pgbouncer-transaction-reconnect")
        meter.see(Progress(index=0, phase="draining", done=1, total=2, requests=3, failures=0))
        drawn = Console(file=io.StringIO(), width=80)
        drawn.print(meter.bar.get_renderable())
        (line,) = drawn.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert line.startswith("pgbouncer-transaction-reconnect ")
    assert line.rstrip().endswith("0/180 5:00:00 left last answers")


@pytest.fixture
def handlers() -> Iterator[None]:
    """The signals of this process are the lab's for one test."""
    before = {
        number: signal.getsignal(number)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT)
    }
    signal.signal(
        signal.SIGQUIT, signal.SIG_IGN
    )  # as a shell does for what it starts in the background
    state = interrupts._state
    interrupts._state = interrupts._Interrupts()
    interrupts.install()
    yield
    interrupts._state = state
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_interrupts_once(handlers: None, number: signal.Signals) -> None:
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), number)
    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGTERM)


def test_servers_that_are_stopped_by_sigquit_do_not_inherit_that_it_is_ignored(
    handlers: None,
) -> None:
    assert signal.getsignal(signal.SIGQUIT) == signal.SIG_DFL


def test_a_signal_waits_for_what_must_not_be_cut(handlers: None) -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), interrupts.deferred():  # noqa: PT012 - the signal comes from within
        with interrupts.deferred():
            os.kill(os.getpid(), signal.SIGTERM)
            done.append("inner")
        done.append("outer")
    assert done == ["inner", "outer"]


def test_a_host_gets_no_more_users_than_requests_a_second() -> None:
    made = host.slots("https://my.host", 64, 20, seed=1)
    assert sorted(slot.users for slot in made if slot.purpose == "ladder") == [1, 2, 4, 8, 16]
    assert {slot.users for slot in made if slot.purpose == "open"} == {20}
    assert (
        max(slot.users for slot in host.slots("u", 64, 1000, 1) if slot.purpose == "ladder") == 64
    )
    assert [slot.users for slot in host.slots("u", 1, 1, 1)] == [1] * 5


def test_arrivals_below_a_maximum_rate_are_never_closer_than_it_allows() -> None:
    free, held = (list(islice(arrivals(90, 7, most), 5000)) for most in (float("inf"), 100.0))
    assert min(after - before for before, after in pairwise(held)) == pytest.approx(0.01)
    assert all(late >= due for late, due in zip(held, free, strict=True))
    assert held[-1] == pytest.approx(free[-1], abs=1)
