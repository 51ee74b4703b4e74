"""A run of the lab on a project of the user's: what it compares, what it expects and what it
says."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from loadtest.lab import design, gates, own
from loadtest.lab.analysis import analyse
from loadtest.lab.headline import headline
from loadtest.lab.model import MIX, TWIN, Page, Results, Trial
from loadtest.lab.report import html, words
from loadtest.lab.request import given, request, resumed
from loadtest.lab.strategies import of_project
from loadtest.lab.visits import Visits

from fixtures.lab_results import results, trial
from pgstack.errors import InputError

PAGES = (
    Page(address="/list", weight=3, queries=8, database_ms=4.2, connections=1, transactions=8),
    Page(address="/about", weight=1, queries=0, database_ms=0, connections=0, transactions=0),
)


@pytest.fixture
def pages(tmp_path: Path) -> str:
    path = tmp_path / "pages.txt"
    path.write_text("/list 3\n/about\n")
    return str(path)


def on(page: str, label: str, block: int, rate: float, **fields: Any) -> Trial:
    made = trial(label, block, rate, **fields)
    return made.model_copy(update={"load": made.load.model_copy(update={"page": page})})


def measured(blocks: int = 3) -> Results:
    """100 requests/s of this stack on the mix, 50 when reconnecting; 80 and 10 on the page /list."""
    trials = [
        on(page, label, block, rate * (1 + 0.001 * block), sessions=10)
        for block in range(blocks)
        for page, label, rate in (
            (MIX, "reconnect-tcp", 50),
            (MIX, "pgbouncer-transaction", 100),
            (MIX, "pgbouncer-transaction" + TWIN, 100),
        )
    ]
    made = results(trials, suite="project", page=MIX, pages=PAGES, blocks=blocks)
    alone = [
        on("/list", label, block, rate, sessions=sessions, beside=beside, companion=companion)
        for block in range(blocks)
        for label, rate, sessions, beside, companion in (
            ("reconnect-tcp", 10, 100, "pgbouncer-transaction", False),
            ("pgbouncer-transaction", 80, 8, "reconnect-tcp", True),
        )
    ]
    return made.model_copy(update={"trials": (*made.trials, *alone)})


def test_pages_make_a_run_of_the_project_with_the_pages_by_themselves(pages: str) -> None:
    asked = request({"PAGES": pages, "STRATEGIES": "reconnect,patched-signal"}, seed=1)
    assert (asked.suite, asked.page) == ("project", MIX)
    slots = asked.slots({})
    assert Counter((slot.label, slot.page) for slot in slots) == {
        ("reconnect-tcp", None): 3,
        ("patched-signal", None): 3,
        ("pgbouncer-transaction" + TWIN, None): 3,
        ("reconnect-tcp", "/list"): 3,
        ("reconnect-tcp", "/about"): 3,
        ("patched-signal", "/list"): 3,
        ("patched-signal", "/about"): 3,
    }
    unnamed = request({"PAGES": pages}, seed=1).slots({})
    assert {slot.label for slot in unnamed if slot.page} == {"reconnect-tcp"}
    full = request({"PAGES": pages, "FULL": "1"}, seed=1).slots({"/about": "404"})
    assert {slot.label for slot in full if slot.page} == {"reconnect-tcp", "patched-signal"}
    assert {slot.page for slot in full} == {None, "/list"}


@pytest.mark.parametrize("name", ["PAGE", "SUITE", "COMPARE"])
def test_what_says_nothing_for_several_pages_is_refused(pages: str, name: str) -> None:
    with pytest.raises(InputError, match=f"^{name}=/db: says nothing"):
        request({"PAGES": pages, name: "/db"}, seed=1)


@pytest.mark.parametrize("name", ["STACK_PROJECT", "DUMP", "LOGIN", "SESSION", "WRITES"])
def test_inputs_of_a_project_without_pages_are_refused(name: str) -> None:
    with pytest.raises(InputError, match=f"^{name}: the lab does not know which pages"):
        own.require_pages({name: "x"}, None)
    own.require_pages({}, None)


def test_two_ways_to_log_in_and_a_dump_that_is_not_there_are_refused() -> None:
    chosen = Visits("PAGES=p", PAGES)
    with pytest.raises(InputError, match="SESSION and LOGIN: both say who asks"):
        own.require_pages({"SESSION": "k", "LOGIN": "a:b"}, chosen)
    with pytest.raises(InputError, match="DUMP=/no/dump: no such file"):
        own.require_pages({"DUMP": "/no/dump"}, chosen)


def test_a_session_is_kept_nowhere() -> None:
    told = {"PAGES": "p", "SESSION": "secret", "DUMP": "d", "LOGIN": "m:f"}
    assert given(told, seed=1) == {"PAGES": "p", "DUMP": "d", "LOGIN": "m:f", "SEED": "1"}


def test_a_run_goes_on_with_the_same_pages_only(pages: str) -> None:
    earlier = measured().model_copy(update={"asked": {"PAGES": pages, "SEED": "1"}})
    assert resumed({}, earlier).suite == "project"
    with pytest.raises(
        InputError, match=r"DUMP=new: the run that RESUME=1 goes on with has no DUMP"
    ):
        resumed({"DUMP": "new"}, earlier)
    Path(pages).write_text("/list\n/other\n")
    with pytest.raises(InputError, match="it names other pages than the run that RESUME=1"):
        resumed({}, earlier)


def test_what_is_left_makes_trials_of_the_mix_and_of_pages_apart() -> None:
    slots = design.blocks(("reconnect-tcp", "pgbouncer-transaction"), 3, 16, 1) + design.alone(
        ["/list", "/about"], ["reconnect-tcp"], 3, 16, 1
    )
    left = design.remaining(measured(), slots)
    assert {(slot.label, slot.page) for slot in left} == {("reconnect-tcp", "/about")}


def test_connections_and_transactions_are_expected_as_the_trial_run_saw_them() -> None:
    expected = own.expected(measured(), MIX)
    assert (expected.connections, expected.transactions) == (0.75, 6)
    assert own.expected(measured(), "/about").connections == 0
    made = trial(rate=100, sessions=750, transactions=6000)
    assert gates.reasons(made, "reconnects", expected) == ()
    assert gates.reasons(made.model_copy(update={"sessions": 1000}), "reconnects", expected) == (
        "1000 connections for 1000 requests: not 0.75 for each",
    )
    assert gates.reasons(made.model_copy(update={"transactions": 4000}), None, expected) == (
        "pooler counted 4000, expected 6000 for 1000 requests",
    )
    unknown = PAGES[0].model_copy(update={"transactions": None})
    changing = measured().model_copy(update={"pages": (unknown, PAGES[1])})
    assert own.expected(changing, MIX).transactions is None


def test_the_report_says_what_the_mix_gains_and_each_page_by_itself() -> None:
    analysis = analyse(measured())
    assert headline(analysis) == "On your pages: 2.00× [2.00, 2.00] over reconnecting"
    (row,) = analysis.pages
    assert row.rate
    assert row.rate.value == pytest.approx(80)
    gain = row.gains["reconnect-tcp"]
    assert gain
    assert gain.value == pytest.approx(8)
    assert words.pages(analysis).cells == (
        ("/list", "75%", "8", "4.20", "1 → 0.01", "80", "8.00× [8.00, 8.00]"),
    )
    page = html.page(analysis)
    assert "Each page by itself" in page
    assert "gain over reconnect-tcp" in page


def test_pages_that_write_and_a_part_of_a_log_are_named() -> None:
    made = measured().model_copy(
        update={
            "pages": (PAGES[0].model_copy(update={"writes": True}), PAGES[1]),
            "covered": 0.83,
            "asked": {"LOG": "access.log"},
        }
    )
    said = words.validity(analyse(made))
    assert "The pages are 83% of the GETs for pages in access.log." in said
    assert "These pages write into the database: /list." in said


def test_a_strategy_keeps_what_the_project_says_of_its_transactions() -> None:
    own_alias = {
        "ENGINE": "pgstack.db",
        "ATOMIC_REQUESTS": True,
        "OPTIONS": {"isolation_level": 3, "application_name": "own"},
    }
    alias = {"ENGINE": "django.db.backends.postgresql", "OPTIONS": {"application_name": "web"}}
    assert of_project.as_the_projects(alias, own_alias) == {
        "ENGINE": "django.db.backends.postgresql",
        "ATOMIC_REQUESTS": True,
        "OPTIONS": {"application_name": "web", "isolation_level": 3},
    }
    spatial = of_project.as_the_projects(alias, {"ENGINE": "pgstack.db.postgis"})
    assert spatial["ENGINE"] == "django.contrib.gis.db.backends.postgis"
    with pytest.raises(RuntimeError, match=r"its own database backend, pgstack\.db\.tenants"):
        of_project.as_the_projects(alias, {"ENGINE": "pgstack.db.tenants"})
