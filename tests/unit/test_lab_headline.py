"""What the headline of a run claims."""

from __future__ import annotations

from loadtest.lab import analysis
from loadtest.lab.analysis import analyse
from loadtest.lab.headline import headline
from loadtest.lab.model import TWIN, Trial

from fixtures.lab_results import results, trial, whole_run
from fixtures.lab_runs import REFERENCE, run


def test_headline_says_what_was_gained_and_what_it_cost() -> None:
    assert headline(analyse(run())) == (
        "14.0× [14.0, 14.0] over reconnecting, 0.95× of a direct persistent connection, with 5 "
        "instead of 16 backends"
    )


def test_headline_claims_nothing_when_the_pair_differs() -> None:
    analysed = analyse(whole_run(10, twin=1.08))
    assert headline(analysed).startswith("Nothing is claimed: the A/A pair gives 0.92")
    assert {judged.verdict for judged in analysed.goals} == {"not claimed"}
    assert {judged.reason for judged in analysed.goals} == {"the A/A pair failed"}
    assert analysis.status(analysed) == 1


def test_headline_of_a_run_without_those_strategies_names_the_best() -> None:
    steps = [trial("host", 0, 90 * users, purpose="ladder", users=users) for users in (1, 2)]
    analysed = analyse(results(steps, suite="host"))
    assert headline(analysed) == "host: at most 180 requests/s on /db, with 2 users"
    assert analysis.status(analysed) == 0
    assert headline(analyse(results([]))) == "Nothing was measured."
    assert analysis.status(analyse(results([]))) == 1


def in_blocks(rates: dict[str, float]) -> list[Trial]:
    return [
        trial(label, block, rate + block) for label, rate in rates.items() for block in range(3)
    ]


def test_headline_of_servers_sets_the_reference_against_each_other_one() -> None:
    made = in_blocks(
        {
            "mod_wsgi-daemon": 1000,
            "mod_wsgi-daemon" + TWIN: 1000,
            "nginx+uwsgi": 500,
            "granian": 2000,
        }
    )
    analysed = analyse(results(made, suite="servers", reference="mod_wsgi-daemon", blocks=3))
    assert (
        headline(analysed)
        == "mod_wsgi-daemon answers 0.50× [0.50, 0.50] of granian, 2.00× [1.99, 2.00] of "
        "nginx+uwsgi"
    )


def test_headline_of_pages_spans_the_slowest_and_the_fastest() -> None:
    made = in_blocks({"/db": 1000, "/db" + TWIN: 1000, "/plain": 3999, "/updates?n=20": 60})
    analysed = analyse(results(made, suite="pages", reference="/db", blocks=3))
    assert headline(analysed) == "From 61 requests/s on /updates?n=20 to 4,000 on /plain"


def test_headline_of_tuning_names_what_is_shown_to_be_faster() -> None:
    made = in_blocks(
        {
            "as-planned": 1000,
            "as-planned" + TWIN: 1000,
            "pool-2": 1100,
            "pool-8": 1200,
            "gc-off": 900,
        }
    )
    analysed = analyse(results(made, suite="tuning", reference="as-planned", blocks=3))
    assert (
        headline(analysed)
        == "Faster than as planned: pool-8 1.20× [1.20, 1.20], pool-2 1.10× [1.10, 1.10]"
    )
    made = in_blocks({"as-planned": 1000, "as-planned" + TWIN: 1000, "gc-off": 900})
    analysed = analyse(results(made, suite="tuning", reference="as-planned", blocks=3))
    assert headline(analysed) == "No change is shown to be faster than the plan"


def test_headline_of_curves_is_about_the_reference_where_it_has_one() -> None:
    steps = [
        trial(label, 0, rate, purpose="ladder", users=8)
        for label, rate in ((REFERENCE, 90), ("no-query", 200))
    ]
    text = headline(analyse(results(steps, suite="scaling")))
    assert text == "pgbouncer-transaction: at most 90 requests/s on /db, with 8 users"
    assert headline(analyse(results(steps[1:], suite="scaling"))).startswith(
        "no-query: at most 200 requests/s"
    )
