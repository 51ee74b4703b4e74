"""How long whoever meets a server that is away waits for it."""

from __future__ import annotations

import pytest

from pgstack.db import liveness
from pgstack.db.liveness import Outage


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(liveness.time, "monotonic", lambda: now[0])
    return now


def test_everybody_waits_until_the_same_moment(clock: list[float]) -> None:
    outage = Outage()
    assert outage.give_up_at(5) == 105
    clock[0] = 103
    assert outage.give_up_at(5) == 105
    clock[0] = 107
    assert outage.give_up_at(5) == 105, "while it stays away nobody waits"


def test_the_next_outage_is_another_one(clock: list[float]) -> None:
    outage = Outage()
    outage.give_up_at(5)
    outage.over()
    clock[0] = 101
    assert outage.give_up_at(5) == 106
    clock[0] = 200
    assert outage.give_up_at(5) == 205, "nobody has asked meanwhile"


def test_without_patience_nobody_waits(clock: list[float]) -> None:
    assert Outage().give_up_at(0) == clock[0]
