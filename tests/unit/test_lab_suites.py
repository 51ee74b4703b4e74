"""What each suite compares, and what a page asks of the database."""

from __future__ import annotations

from collections import Counter

import pytest
from loadtest.lab import pages, summary
from loadtest.lab.request import request
from loadtest.lab.suites import SUITES

from fixtures.lab_results import results, trial
from pgstack.errors import InputError


def test_servers_run_on_this_stacks_way_to_the_database() -> None:
    asked = request({"SUITE": "servers"}, seed=1)
    assert asked.strategies == (
        "mod_wsgi-daemon",
        "mod_wsgi-embedded",
        "nginx+gunicorn",
        "nginx+uwsgi",
        "granian",
        "granian-no-log",
    )
    subjects = [SUITES["servers"].subject(label) for label in asked.strategies]
    assert {strategy.name for strategy, _ in subjects} == {"pgbouncer-transaction"}
    assert [server.name for _, server in subjects] == list(asked.strategies)
    slots = asked.slots({"nginx+uwsgi": "not installed"})
    assert len(slots) == 15
    assert Counter(slot.label for slot in slots)["mod_wsgi-daemon (A/A)"] == 3


def test_pages_are_asked_for_by_their_label() -> None:
    asked = request({"SUITE": "pages"}, seed=1)
    assert asked.strategies == (
        "/plain",
        "/json",
        "/db",
        "/queries?n=20",
        "/fortunes",
        "/updates?n=20",
    )
    suite = SUITES["pages"]
    assert (asked.page, suite.reference, suite.page("/fortunes", "/db")) == (
        "/db",
        "/db",
        "/fortunes",
    )
    assert {tuple(part.name for part in suite.subject(label)) for label in asked.strategies} == {
        ("pgbouncer-transaction", "mod_wsgi-daemon")
    }
    assert len(asked.slots({})) == 18


def test_scaling_is_curves_only() -> None:
    asked = request({"SUITE": "scaling"}, seed=1)
    slots = asked.slots({})
    assert Counter(slot.purpose for slot in slots) == {"ladder": 36, "open": 16}
    assert [slot.purpose for slot in slots] == ["ladder"] * 36 + ["open"] * 16
    assert {slot.users for slot in slots if slot.purpose == "ladder"} == {
        1,
        2,
        4,
        8,
        16,
        32,
        64,
        128,
        256,
    }
    assert {slot.share for slot in slots if slot.purpose == "open"} == {0.3, 0.5, 0.7, 0.9}
    assert len(request({"SUITE": "scaling", "BLOCKS": "2"}, seed=1).slots({})) == 104
    named = request({"SUITE": "scaling", "STRATEGIES": "pgpool"}, seed=1).slots({})
    assert {slot.label for slot in named} == {"pgpool", "pgbouncer-transaction"}


def test_a_full_run_of_strategies_adds_the_curves_of_the_main_ones() -> None:
    slots = request({"FULL": "1", "STRATEGIES": "pgpool,reconnect-tcp"}, seed=1).slots({})
    assert {slot.label for slot in slots if slot.purpose == "ladder"} == {
        "reconnect-tcp",
        "pgbouncer-transaction",
    }
    rounds = Counter((slot.label, slot.users) for slot in slots if slot.purpose == "ladder")
    assert set(rounds.values()) == {1, 3}
    assert rounds["pgbouncer-transaction", 256] == 3, "goals are about it"
    assert (
        Counter((slot.label, slot.share) for slot in slots if slot.purpose == "open")[
            "pgbouncer-transaction", 0.7
        ]
        == 3
    )
    assert len({(slot.purpose, slot.block, slot.label, slot.users) for slot in slots}) == len(slots)
    assert {slot.purpose for slot in request({}, seed=1).slots({})} == {"block"}


def test_tuning_asks_what_each_change_gains_over_the_stack_as_planned() -> None:
    asked = request({"SUITE": "tuning", "STRATEGIES": "gc-off,pool-2"}, seed=1)
    assert asked.strategies == ("as-planned", "gc-off", "pool-2")
    assert {slot.label for slot in asked.slots({})} == {"gc-off", "pool-2", "as-planned (A/A)"}
    trials = [trial("as-planned", 0, 100), trial("gc-off", 0, 110)]
    made = results(trials, suite="tuning", reference="as-planned")
    ratio = summary.row(made, "gc-off").ratio
    assert ratio is not None
    assert ratio.value == pytest.approx(1.1)
    with pytest.raises(
        InputError, match=r"^STRATEGIES: pgpool: no such strategy. There are all, as-planned, "
    ):
        request({"SUITE": "tuning", "STRATEGIES": "pgpool"}, seed=1)


def test_a_change_says_what_it_adds_to_a_requests_transactions() -> None:
    suite = SUITES["tuning"]
    assert suite.transactions("as-planned (A/A)", "/db") == 1
    assert suite.transactions("health-checks", "/db") == 2
    assert suite.transactions("health-checks", "/ledger/") is None


def test_a_strategy_with_a_page_of_its_own_keeps_it() -> None:
    page = SUITES["strategies"].page
    assert (page("no-query", "/db"), page("pgpool", "/fortunes")) == ("/plain", "/fortunes")


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        (
            {"SUITE": "serverz"},
            "SUITE=serverz: no such suite. There are strategies, servers, pages, scaling, ",
        ),
        (
            {"SUITE": "servers", "STRATEGIES": "pgpool"},
            "STRATEGIES=pgpool: says nothing in SUITE=servers. Leave ",
        ),
        (
            {"SUITE": "pages", "PAGE": "/json"},
            "PAGE=/json: says nothing in SUITE=pages. Leave PAGE out.",
        ),
        (
            {"SUITE": "scaling", "COMPARE": "old.json"},
            "COMPARE=old.json: says nothing in SUITE=scaling. Leave ",
        ),
    ],
)
def test_what_a_suite_does_not_know_is_refused_by_name(
    environment: dict[str, str], message: str
) -> None:
    with pytest.raises(InputError) as caught:
        request(environment, seed=1)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("page", "count"),
    [
        ("/plain", 0),
        ("/json", 0),
        ("/db", 1),
        ("/fortunes", 1),
        ("/queries?n=20", 20),
        ("/queries", 1),
        ("/queries?n=9999", 500),
        ("/updates?n=20", 21),
        ("/updates", 2),
        ("/queries?n=0", None),
        ("/queries?n=20&x=1", None),
        ("/ledger/", None),
        ("/", None),
    ],
)
def test_transactions_of_a_page_are_known_where_they_are_exact(
    page: str, count: int | None
) -> None:
    assert pages.transactions(page) == count
