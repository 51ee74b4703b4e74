"""The screen of `make status`: what is wrong comes before what follows from it, and it fits."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pgstack.metrics import screen, standing

PLACE = {"target": "local", "address": "http://localhost:8000/"}
BLOCKER = {
    "process": 4711,
    "role": "app_owner",
    "state": "idle in transaction",
    "seconds": 34.2,
    "waiters": 6,
    "waits": False,
    "statement": "LOCK TABLE ledger " + "x" * 200,
}
LOCKS = {
    "name": "LocksBlock",
    "severity": "page",
    "text": "6 sessions wait for a lock, more than half of the pool.",
    "since": None,
    "fires": True,
    "runbook": "docs/alerts.md#locksblock",
}
LATE = {
    "name": "BackupLate",
    "severity": "ticket",
    "text": "The last good backup is older than planned.",
    "since": None,
    "fires": True,
    "runbook": "docs/alerts.md#backuplate",
}
SITE = {
    "name": "SiteDown",
    "severity": "page",
    "text": "The site does not answer /readyz.",
    "since": None,
    "fires": True,
    "runbook": "docs/alerts.md#sitedown",
}


def server(name: str, state: str = "RUNNING", trouble: str = "") -> dict[str, Any]:
    works = state == "RUNNING" and not trouble
    return {"name": name, "state": state, "trouble": trouble, "told": "", "works": works}


def level(name: str, text: str) -> dict[str, Any]:
    return {"name": name, "used": 1, "planned": 2, "full": True, "text": text}


ALL = [server(name) for name in ("postgres", "pgbouncer", "apache", "metrics")]


@pytest.mark.parametrize(
    ("servers", "figures", "unfinished", "verdict", "next_step"),
    [
        (ALL, {}, "", "ok: all is well", "Nothing to do."),
        (
            ALL,
            {"alerts": [LATE]},
            "",
            "ok: for the morning: The last good backup is older than planned.",
            "See docs/alerts.md#backuplate",
        ),
        (
            ALL,
            {"alerts": [LOCKS | {"fires": False}]},
            "",
            "ok: it begins: 6 sessions wait for a lock, more than half of the pool.",
            "See docs/alerts.md#locksblock",
        ),
        (
            [*ALL[:1], server("pgbouncer", trouble="a query through it: no answer within 2 s")],
            {"alerts": [LOCKS], "blocker": BLOCKER},
            "",
            "NOT WELL: 6 sessions wait for a lock, more than half of the pool.",
            "SELECT pg_terminate_backend(4711) ends it; docs/alerts.md#locksblock",
        ),
        (
            ALL,
            {"alerts": [LOCKS], "blocker": BLOCKER | {"state": "active"}},
            "",
            "NOT WELL: 6 sessions wait for a lock, more than half of the pool.",
            "SELECT pg_cancel_backend(4711) ends it; docs/alerts.md#locksblock",
        ),
        (
            [server("postgres", "FATAL"), server("apache", trouble="status 503")],
            {"alerts": [LOCKS], "blocker": BLOCKER},
            "",
            "NOT WELL: not all running: postgres, apache",
            "`make up` starts what is down.",
        ),
        (
            [server("postgres", trouble="stopped by a signal: process 7, 8; no answer")],
            {},
            "",
            "NOT WELL: not all running: postgres",
            "`kill -CONT 7 8` lets what was stopped go on.",
        ),
        (
            [server("apache", trouble="no answer within 5 s")],
            {"alerts": [SITE]},
            "",
            "NOT WELL: not all running: apache",
            "See docs/alerts.md#sitedown.",
        ),
        ([], {}, "", "NOT WELL: nothing runs", "`make up` starts what is down."),
        (
            ALL,
            {"alerts": [LOCKS]},
            "Run `make reload` again",
            "NOT WELL: a change was cut off",
            "Run `make reload` again",
        ),
    ],
)
def test_the_cause_comes_first_and_the_next_step_is_its_remedy(
    servers: list[dict[str, Any]],
    figures: dict[str, Any],
    unfinished: str,
    verdict: str,
    next_step: str,
) -> None:
    shown = screen.report(PLACE, servers, figures, unfinished)
    assert list(screen.lines(shown))[-2:] == [f"verdict   {verdict}", f"next      {next_step}"]
    assert shown["ok"] is verdict.startswith("ok")
    assert json.loads(json.dumps(shown)) == shown


def test_a_server_that_answers_with_more_patience_is_not_called_down() -> None:
    shown = screen.report(PLACE, ALL, {"alerts": [SITE, LATE]})
    assert [alert["name"] for alert in shown["alerts"]] == ["BackupLate"]


def test_a_bad_night_fits_on_one_screen() -> None:
    names = ("threads", "pool", "workers", "sessions", "memory", "disk")
    figures = {
        "full": [level(name, "8 of 8 busy; one in twenty waits 2.10 s for one") for name in names],
        "blocker": BLOCKER,
        "oldest": BLOCKER | {"process": 12, "waiters": 0},
        "changed": [{"what": "code loaded", "time": 1.0}],
        "alerts": [LOCKS, SITE, *[LATE] * 4],
        "unknown": ["postgresql"],
    }
    servers = [*ALL, server("guard"), server("apache", "FATAL")]
    lines = list(screen.lines(screen.report(PLACE, servers, figures)))
    assert len(lines) <= 24
    assert [line for line in lines if len(line) > 80] == []
    assert "threads   8 of 8 busy; one in twenty waits 2.10 s for one  FULL" in lines
    assert "alert     and 2 more" in lines


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-1, "0 s"),
        (119, "119 s"),
        (120, "2 min"),
        (7199, "120 min"),
        (7200, "2 h"),
        (2e5, "2 days"),
    ],
)
def test_an_age_is_said_as_a_person_says_it(seconds: float, words: str) -> None:
    assert screen.age(seconds) == words


@pytest.mark.parametrize(
    ("statement", "shown"),
    [
        ("ALTER ROLE x PASSWORD 'it''s secret'", "ALTER ROLE x PASSWORD '…'"),
        ("SELECT 'cut off in the mid", "SELECT '…'"),
        ("SELECT\n  1\x1b[2J", "SELECT 1?[2J"),
    ],
)
def test_a_statement_is_shown_without_values_and_without_what_a_terminal_obeys(
    statement: str, shown: str
) -> None:
    assert standing.shown(statement) == shown
