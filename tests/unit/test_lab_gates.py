"""When a trial or a run says nothing."""

from __future__ import annotations

import pytest
from loadtest.lab import gates
from loadtest.lab.intervals import Estimate

from fixtures.lab_results import trial


def test_a_clean_trial_is_valid() -> None:
    assert gates.reasons(trial(sessions=20, transactions=1010, logged=990), "keeps") == ()


@pytest.mark.parametrize("purpose", ["block", "ladder"])
def test_a_failure_or_an_unanswered_request_voids_a_capacity(purpose: str) -> None:
    assert gates.reasons(trial(purpose=purpose, failures=1)) == (
        "1 failed and 0 unanswered requests",
    )
    assert gates.reasons(trial(purpose=purpose, unanswered=2)) == (
        "0 failed and 2 unanswered requests",
    )
    assert gates.reasons(trial(purpose=purpose, rate=0)) == ("no request was answered",)


def test_a_failure_does_not_void_an_open_loop() -> None:
    assert gates.reasons(trial(purpose="open", failures=1)) == ()


def test_a_busy_generator_voids() -> None:
    assert gates.reasons(trial(generator_cpu=0.70)) == ()
    assert gates.reasons(trial(generator_cpu=0.71)) == (
        "generator used 71% of its core, more than 70%",
    )


@pytest.mark.parametrize(
    ("mode", "sessions", "void"),
    [
        ("keeps", 16, ()),
        ("keeps", 24, ()),
        ("keeps", 25, ("25 connections opened, more than 24: not kept",)),
        ("keeps", 1500, ("1500 connections opened, more than 24: not kept",)),
        ("reconnects", 1050, ()),
        ("reconnects", 950, ()),
        ("reconnects", 949, ("949 connections for 1000 requests: not one for each",)),
        ("reconnects", 1051, ("1051 connections for 1000 requests: not one for each",)),
        ("reconnects", 16, ("16 connections for 1000 requests: not one for each",)),
        ("reconnects", None, ()),
        (None, 1500, ()),
    ],
)
def test_connections_prove_the_mode(
    mode: gates.Mode | None, sessions: int | None, void: tuple[str, ...]
) -> None:
    assert gates.reasons(trial(rate=100, sessions=sessions), mode) == void


def test_parsed_statements_prove_that_they_are_prepared() -> None:
    assert gates.reasons(trial(rate=100, parses=100), prepared=True) == ()
    assert gates.reasons(trial(rate=100, parses=None), prepared=True) == ()
    assert gates.reasons(trial(rate=100, parses=1000), prepared=True) == (
        "1000 statements parsed for 1000 requests: not prepared",
    )
    assert gates.reasons(trial(rate=100, parses=1000)) == ()


def test_one_user_may_go_round_all_threads_that_keep_connections() -> None:
    assert gates.reasons(trial(users=1, backends=16, sessions=16), "keeps") == ()


def test_counts_of_others_agree_within_a_percent() -> None:
    assert gates.reasons(trial(rate=10_000, transactions=101_000, logged=99_000)) == ()
    assert gates.reasons(trial(rate=10_000, transactions=101_001)) == (
        "pooler counted 101001, expected 100000 for 100000 requests",
    )
    assert gates.reasons(trial(rate=10_000, logged=98_999)) == (
        "access log has 98999, expected 100000 for 100000 requests",
    )


def test_counts_are_those_of_the_whole_run_with_its_warm_up() -> None:
    assert (
        gates.reasons(
            trial(rate=100, sent=1500, sessions=1500, transactions=1500, logged=1500), "reconnects"
        )
        == ()
    )


def test_a_page_may_make_more_transactions_than_one() -> None:
    many, unknown = gates.Expected(transactions=20), gates.Expected(transactions=None)
    assert gates.reasons(trial(rate=100, transactions=20_000), expected=many) == ()
    assert gates.reasons(trial(rate=100, transactions=1_000), expected=many) != ()
    assert gates.reasons(trial(rate=100, transactions=1_000), expected=unknown) == ()


def pair(low: float | None, high: float | None) -> Estimate:
    return Estimate(1.0 if low is None else low, low, high, 10)


def test_a_pair_around_one_may_claim() -> None:
    assert gates.pair(pair(0.98, 1.02), blocks=10) == ()
    assert gates.pair(pair(0.90, 1.10), blocks=3) == ()


def test_a_pair_beside_one_claims_nothing() -> None:
    assert gates.pair(pair(1.004, 1.02), blocks=3) == (
        "the A/A pair gives 1.004 [1.004, 1.020], which does not contain 1",
    )


def test_a_wide_pair_claims_nothing_in_a_full_run() -> None:
    assert gates.pair(pair(0.969, 1.01), 10) == (
        "the A/A pair gives 0.969 [0.969, 1.010], which is not within ±3%",
    )
    assert len(gates.pair(pair(0.99, 1.031), 10)) == 1
    assert len(gates.pair(pair(1.04, 1.05), 10)) == 2


def test_a_pair_without_an_interval_claims_nothing() -> None:
    assert gates.pair(None, 10) == gates.pair(pair(None, None), 3)
    assert gates.pair(None, 3) == (
        "there are too few valid blocks of the A/A pair for an interval",
    )


def test_a_turn_in_which_the_machine_all_but_stopped_voids_what_took_turns() -> None:
    rates = (100.0, 95.0, 104.0, 51.0)
    assert gates.reasons(trial(beside="pgpool", rates=rates)) == ()
    stalled = trial(beside="pgpool", rates=(*rates, 47.0))
    assert gates.reasons(stalled) == ("1 of 5 turns had less than half of the usual rate",)
    assert gates.disturbed(stalled)
    assert gates.reasons(trial(rates=(100.0, 1.0))) == (), (
        "seconds of an open loop, which has no partner"
    )
