"""What the lab does on a machine that others slow down."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from loadtest.lab import course, design, gates, progress, summary, yardstick
from loadtest.lab.design import Slot
from loadtest.lab.model import Load, Trial
from loadtest.lab.store import Journal
from loadtest.lab.yardstick import Watch, Yardstick
from rich.console import Console

from fixtures.lab_results import results, trial

SLOTS = (Slot("ladder", 0, "pgpool", 16), Slot("ladder", 1, "pgpool", 16))


def step(**fields: Any) -> Trial:
    return trial("pgpool", purpose="ladder", **fields)


def measured(
    directory: Path, trials: list[Trial], patience: float
) -> list[tuple[int, float | None]]:
    """Block and slowness of the trials that a run of SLOTS keeps, which meets `trials` one after
    another."""
    journal, left = Journal(results(intended=2), directory), iter(trials)

    def make(slot: Slot, load: Load, see: Callable[[object], None]) -> tuple[Trial]:
        made = next(left).model_copy(update={"block": slot.block})
        return (made.model_copy(update={"void": gates.reasons(made)}),)

    def ask(slot: Slot, made: object) -> Load:
        return course.load(slot, "/db", 4, None)

    with progress.shown(Console(file=io.StringIO()), [1.0, 1.0]) as meter:
        course.measure(journal, SLOTS, ask, make, meter, Yardstick((0,), 1.0, patience))
    assert journal.results.made == 2
    assert design.remaining(journal.results, SLOTS) == ()
    return [(trial.block, trial.slowness) for trial in journal.results.trials]


def test_trial_of_a_slow_machine_is_void_and_says_how_slow_it_was() -> None:
    assert gates.reasons(trial(slowness=1.34)) == (
        "the machine was 34% slower than when the capacity was measured",
    )
    assert gates.reasons(trial(slowness=1.15)) == ()
    assert gates.reasons(trial(slowness=None)) == ()
    assert gates.reasons(trial(slowness=1.34, usual=1.2)) == (), (
        "its share of capacity is what was asked for"
    )
    assert gates.reasons(trial(slowness=1.34, beside="pgpool")) == (), (
        "what took turns was slowed down alike"
    )


def test_trial_of_a_slow_machine_is_made_again_and_the_calm_one_counts(tmp_path: Path) -> None:
    slow, calm = step(rate=50, slowness=1.5), step(rate=100, slowness=1.02)
    assert measured(tmp_path, [slow, calm, calm], patience=60) == [(0, 1.5), (0, 1.02), (1, 1.02)]
    again = results([slow.model_copy(update={"void": gates.reasons(slow)}), calm])
    assert [step.rate for step in summary.ladders(again)[0].steps] == [100.0]


def test_without_patience_a_void_trial_stays_void(tmp_path: Path) -> None:
    slow = step(slowness=1.5)
    assert measured(tmp_path, [slow, slow], patience=0) == [(0, 1.5), (1, 1.5)]


def test_other_reasons_are_no_cause_to_measure_again(tmp_path: Path) -> None:
    failed, calm = step(failures=3, slowness=1.0), step(slowness=1.0)
    assert measured(tmp_path, [failed, calm], patience=60) == [(0, 1.0), (1, 1.0)]


def test_only_the_measured_part_is_watched() -> None:
    watch = Watch(2.0)
    watch.add(50.0)
    assert watch.slowness is None
    watch.on = True
    for milliseconds in (2.0, 3.0, 4.0):
        watch.add(milliseconds)
    watch.on = False
    watch.add(50.0)
    assert watch.slowness == pytest.approx(1.5)


def test_waiting_ends_when_the_machine_is_calm_and_when_patience_has_run_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    times = iter([2.0] * yardstick.CALM_SAMPLES * 2 + [1.0] * 9999)
    monkeypatch.setattr(yardstick, "work", lambda: next(times))
    patient = Yardstick((0,), 1.0, patience=60)
    patient.wait()
    assert 0 < 60 - patient.patience < 5
    monkeypatch.setattr(yardstick, "work", lambda: 2.0)
    begin = time.monotonic()
    Yardstick((0,), 1.0, patience=0.2).wait()
    assert time.monotonic() - begin < 5


def test_a_core_is_watched_while_something_else_goes_on() -> None:
    assert 0 < yardstick.best((0,)) < 50
    with Yardstick((0,), yardstick.best((0,)), 0).watching() as watch:
        watch.on = True
        time.sleep(0.3)
    assert watch.slowness is not None
    assert watch.slowness > 0.5
