"""Costs, goals, comparison and headline of runs whose figures are known."""

from __future__ import annotations

from typing import Any

import pytest
from loadtest.lab import analysis, costs, summary
from loadtest.lab.analysis import analyse
from loadtest.lab.goals import Judged
from loadtest.lab.model import HTTP, IN_PROCESS, WRK, Results, Trial

from fixtures.lab_results import latency, results, trial
from fixtures.lab_runs import REFERENCE, run


def judged(name: str, analysed: analysis.Analysis) -> Judged:
    return next(judged for judged in analysed.goals if name in judged.goal.name)


def test_cpu_per_request_is_of_all_valid_trials_together() -> None:
    trials = [
        trial(rate=100, cpu_seconds={"python": 0.3, "database": 0.1}),
        trial(rate=300, cpu_seconds={"python": 0.5, "database": 0.3}),
        trial(rate=100, cpu_seconds={"python": 99.0}, void=("3 failed",)),
    ]
    assert costs.per_request(trials) == {
        "python": pytest.approx(200.0),
        "database": pytest.approx(100.0),
    }
    assert costs.per_request([]) == {}


def test_connect_cost_predicts_the_ratio() -> None:
    (cost,) = analyse(run()).connects
    assert (cost.strategy, cost.request_ms, cost.connect_ms) == (
        "reconnect-tcp",
        pytest.approx(0.45, rel=0.01),
        pytest.approx(6.0, rel=0.01),
    )
    assert cost.predicted == pytest.approx(14.33, abs=0.15)
    assert cost.measured is not None
    assert cost.measured.value == pytest.approx(14.67, abs=0.02)


def test_a_goal_is_met_by_the_lower_bound_only() -> None:
    assert judged("TCP + TLS", analyse(run())).verdict == "met"
    noisy = [trial("reconnect-tcp", block, rate) for block, rate in enumerate([150, 200] * 5)]
    quiet = [trial for trial in run().trials if trial.label != "reconnect-tcp"]
    goal = judged("TCP + TLS", analyse(results([*quiet, *noisy])))
    assert goal.measured is not None
    assert goal.measured.value == pytest.approx(12.1, abs=0.1)
    assert goal.verdict == "missed"


def test_half_the_backends_is_enough_and_more_is_not() -> None:
    assert judged("backends", analyse(run())).verdict == "met"
    many = tuple(
        trial.model_copy(update={"backends": 9})
        for trial in run().trials
        if REFERENCE in trial.label
    )
    others = tuple(trial for trial in run().trials if REFERENCE not in trial.label)
    goal = judged("backends", analyse(results(many + others)))
    assert (goal.verdict, goal.measured and goal.measured.value) == ("missed", 0.5625)


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (run(3), "3 blocks; a full run has 10 or more"),
        (run(page="/fortunes"), "the goals are about /db, not /fortunes"),
    ],
)
def test_other_runs_claim_nothing(made: Results, reason: str) -> None:
    goal = judged("TCP + TLS", analyse(made))
    assert (goal.verdict, goal.reason) == ("not claimed", reason)
    assert analysis.status(analyse(made)) == 0


def test_a_goal_with_void_blocks_or_without_trials_is_not_claimed() -> None:
    trials = [
        trial.model_copy(update={"void": ("3 failed",)})
        if (trial.label, trial.block) == ("reconnect-tcp", 4)
        else trial
        for trial in run().trials
    ]
    analysed = analyse(results(trials))
    assert judged("TCP + TLS", analysed).reason == "9 valid blocks; a claim takes 10"
    assert judged("Pgpool", analysed).reason == "not measured"
    row = analysed.row("reconnect-tcp")
    assert row is not None
    assert row.void == {"3 failed": 1}
    assert row.ratio is not None
    assert row.ratio.left_out == 1


def test_many_users_are_judged_against_the_best_step() -> None:
    def ladder(last: float, **fields: Any) -> list[Trial]:
        steps = [
            trial(REFERENCE, 0, rate, purpose="ladder", users=users)
            for users, rate in ((16, 2000), (64, 2100))
        ]
        return [*steps, trial(REFERENCE, 0, last, purpose="ladder", users=256, **fields)]

    name = "256 users"
    assert judged(name, analyse(run(more=ladder(2000)))).verdict == "met"
    assert judged(name, analyse(run(more=ladder(1990)))).verdict == "missed"
    broken = judged(name, analyse(run(more=ladder(2090, failures=1, void=("1 failed",)))))
    assert (broken.verdict, broken.measured and broken.measured.value) == ("missed", 0.0)
    again = trial(REFERENCE, 1, 2090, purpose="ladder", users=256, failures=1, void=("1 failed",))
    assert judged(name, analyse(run(more=[*ladder(2090), again]))).verdict == "missed"
    assert judged(name, analyse(run())).reason == "not measured"


def test_steps_are_compared_by_the_reference_beside_them_whatever_the_machine_did() -> None:
    def step(users: int, rate: float, beside: float, block: int = 0) -> list[Trial]:
        reference = trial(
            REFERENCE, block, beside, purpose="ladder", beside="pgpool", companion=True
        )
        return [
            trial("pgpool", block, rate, purpose="ladder", users=users, beside=REFERENCE),
            reference,
        ]

    made = results([*step(4, 500, 1000), *step(256, 250, 250), *step(256, 1000, 1000, block=1)])
    (ladder,) = analyse(made).ladders
    level = (1000 * 250 * 1000) ** (1 / 3)
    assert [(step.users, step.rate) for step in ladder.steps] == [
        (4, pytest.approx(level / 2)),
        (256, pytest.approx(level)),
    ]
    assert [round(step.seen) for step in ladder.steps] == [500, 625]


def test_the_tail_is_judged_at_seventy_percent_and_from_the_intended_time() -> None:
    def loop(rate: float, p99: float) -> Trial:
        spread = 0.43  # e to the power of 2.326 × 0.43 is 2.7
        return trial(
            REFERENCE,
            0,
            rate,
            purpose="open",
            users=64,
            offered=rate,
            latency=latency(2, 0.01),
            corrected=latency(2, spread * p99),
        )

    # One user: 1/2100 s each time. At 70 % of 2100/s a queue of those takes 7.4 × as long or longer for 1 %.
    alone = trial(REFERENCE, purpose="ladder", users=1, latency=latency(1 / 2.1, 0))
    name = "corrected p99"
    met = judged(name, analyse(run(more=[alone, loop(1470, 1.2), loop(2000, 9)])))
    assert met.verdict == "missed"
    assert met.measured is not None
    assert met.measured.value == pytest.approx(6.6 / (7.4 / 2.1), abs=0.1)
    assert judged(name, analyse(run(more=[alone, loop(1470, 0.5)]))).verdict == "met"
    assert judged(name, analyse(run(more=[alone, loop(2000, 1)]))).reason == "not measured"
    assert judged(name, analyse(run(more=[loop(1470, 1)]))).reason == "not measured"


def test_open_loops_of_one_rate_are_merged_and_void_ones_left_out() -> None:
    def loop(block: int, p50: float, **fields: Any) -> Trial:
        return trial(
            REFERENCE,
            block,
            700,
            purpose="open",
            users=64,
            offered=700,
            latency=latency(p50, 0.01),
            corrected=latency(p50, 0.01),
            **fields,
        )

    (point,) = summary.open_loops(
        results([loop(0, 2), loop(4, 6), loop(8, 50, void=("slow",), failures=1)])
    )[REFERENCE]
    assert point.corrected
    assert (point.corrected.p50, point.corrected.p99) == (
        pytest.approx(2, rel=0.05),
        pytest.approx(6, rel=0.05),
    )
    assert (point.void, point.errors) == ((), 1)
    (alone,) = summary.open_loops(results([loop(0, 2, void=("slow",))]))[REFERENCE]
    assert alone.void == ("slow",)
    assert alone.corrected, "what was seen is shown as what it is"


def rounds(**rates: float) -> dict[str, tuple[float, ...]]:
    """Ten rounds of each way to ask, all alike but for a drift."""
    names = {"page": HTTP, "loop": IN_PROCESS, "wrk": WRK}
    return {
        names[way]: tuple(rate * (1 + 0.01 * number) for number in range(10))
        for way, rate in rates.items()
    }


def test_limits_and_the_other_generator_are_judged_by_what_was_measured_beside_them() -> None:
    analysed = analyse(run(limits=rounds(page=2100, loop=2900, wrk=2180)))
    assert judged("without HTTP", analysed).verdict == "met"
    assert judged("wrk", analysed).verdict == "met"
    analysed = analyse(run(limits=rounds(page=2100, loop=3500, wrk=2300)))
    assert judged("without HTTP", analysed).verdict == "missed"
    assert judged("wrk", analysed).verdict == "missed"
    few = {name: figures[:1] for name, figures in rounds(page=2100, loop=2900, wrk=2180).items()}
    assert (
        judged("without HTTP", analyse(run(limits=few))).reason
        == "1 valid blocks; a claim takes 10"
    )
    assert judged("without HTTP", analyse(run())).reason == "not measured"


def test_a_run_fails_when_a_goal_is_missed_or_a_strategy_has_no_valid_trial() -> None:
    assert analysis.status(analyse(run())) == 0
    assert analysis.status(analyse(run(reconnect=200))) == 1
    assert analysis.status(analyse(run(3, more=[trial("pgpool", void=("3 failed",))]))) == 1
    steps = [
        trial("pgpool", 0, purpose="ladder", users=users, void=("3 failed",)) for users in (1, 2)
    ]
    assert analysis.status(analyse(run(3, more=steps))) == 1
    assert (
        analysis.status(analyse(run(3, more=[*steps, trial("pgpool", purpose="ladder", users=4)])))
        == 0
    )
