"""The screen of a host: its own words for servers, and the verdict of every target."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from fixtures.host_plan import host_plan
from stackctl import backup, files, lesser, registry, schedule, screen, status, workers
from stackctl.line import Line
from stackctl.safe import StackctlError
from stackctl.stack import Stack

POSTGRES, POOLER = Line("postgres", "runs"), Line("pgbouncer", "instance a")
DOWN = Line("apache", "does not run.", good=False, stopped=True, remedy="`stackctl apply apache`")
SILENT = Line("apache", "instance a, does not answer: 503", good=False, log="`journalctl -u a`")
FAILED = Line("schedule", "bad ended with 3", good=False, which="bad", remedy="See `journalctl`.")
HELD = {"name": "LocksBlock", "severity": "page", "text": "6 wait.", "since": None, "fires": True}
LOCKS = HELD | {"runbook": "docs/alerts.md#locksblock"}
Told = Callable[..., tuple[list[str], bool]]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    """The screen of a host on which these lines and figures are found."""

    def shown(lines: list[Line], figures: Any, *, as_json: bool = False) -> tuple[list[str], bool]:
        @contextmanager
        def asked(*_: object) -> Iterator[lesser.Told]:
            yield figures

        monkeypatch.setattr(lesser, "asked", asked)
        own = {
            registry: [line for line in lines if line.name != "schedule"],
            schedule: [line for line in lines if line.name == "schedule"],
            workers: [],
            backup: [Line("backup", "none", good=False)],
            files: [],
        }
        for module, report in own.items():
            monkeypatch.setattr(module, "report", lambda _, report=report: report)
        monkeypatch.setattr(status, "release", lambda _: [Line("release", "abc")])
        return screen.told(host_plan(), as_json)

    return shown


def silent() -> Any:
    raise StackctlError("no answer within 10 s")


@pytest.mark.parametrize(
    ("lines", "figures", "well", "verdict", "step"),
    [
        ([], dict, True, "ok: all is well", "Nothing to do."),
        ([DOWN], dict, False, "NOT WELL: not all running: apache", "`stackctl apply apache`"),
        (
            [SILENT],
            dict,
            False,
            "NOT WELL: not all running: apache",
            "See docs/alerts.md#sitedown. `journalctl -u a` says why.",
        ),
        ([FAILED], dict, False, "NOT WELL: not all running: bad", "See `journalctl`."),
        (
            [],
            lambda: {"alerts": [LOCKS]},
            False,
            "NOT WELL: 6 wait.",
            "See docs/alerts.md#locksblock",
        ),
        ([], silent, True, "ok: all is well", "Nothing to do."),
    ],
    ids=["well", "down", "silent", "failed", "alert", "no figures"],
)
def test_the_verdict_is_that_of_every_target(
    told: Told, lines: list[Line], figures: Any, well: bool, verdict: str, step: str
) -> None:
    """A late backup, which is told too, does not change it."""
    said, good = told([POSTGRES, POOLER, *lines], figures)
    assert good is well
    assert said[-2:] == [f"verdict    {verdict}", f"next       {step}"]
    assert said[:2] == ["postgres   runs", "pgbouncer  instance a"]
    assert {"release    abc", "backup     none"} <= set(said)
    unknown = "unknown    no figures of what is full: no answer within 10 s"
    assert (unknown in said) is (figures is silent)


def test_machines_get_the_same(told: Told) -> None:
    (text,), _ = told([POSTGRES, FAILED], dict, as_json=True)
    shown = json.loads(text)
    assert [(server["name"], server["works"]) for server in shown["servers"]] == [
        ("postgres", True),
        ("bad", False),
    ]
    assert shown["backups"] == [{"name": "backup", "text": "none", "good": False}]
    assert shown["release"] == [{"name": "release", "text": "abc", "good": True}]


def test_without_an_exporter_nobody_is_asked_for_figures(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    told([POSTGRES], dict)
    monkeypatch.setattr(lesser, "asked", None)
    stack: Stack = host_plan().model_copy(update={"metrics": None, "backup": None})
    assert screen.told(stack, as_json=False)[1]
