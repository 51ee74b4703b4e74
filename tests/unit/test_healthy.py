"""Waiting until a host and its cluster are as planned."""

from __future__ import annotations

from typing import cast

import pytest

from stackctl import healthy
from stackctl.line import Line
from stackctl.stack import Stack

STACK = cast("Stack", None)
GOOD, BAD = Line("members", "all"), Line("members", "db2 does not answer", good=False)


def test_it_waits_until_all_lines_are_good(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(healthy, "PAUSE_SECONDS", 0)
    looks = iter([[BAD, GOOD], [GOOD, BAD], [GOOD, GOOD]])
    assert healthy.settled(STACK, 60, lambda _: next(looks)) == [GOOD, GOOD]


def test_it_tells_what_is_wrong_when_the_time_is_over() -> None:
    assert healthy.settled(STACK, 0, lambda _: [BAD]) == [BAD]
