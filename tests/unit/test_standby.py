"""Which standby is read from."""

from __future__ import annotations

import math

import pytest

from pgstack.ops import standby

MOST = 3.0
ORDER = ("db1", "db2", "db3")


def test_a_standby_is_behind_since_the_primary_was_where_it_is() -> None:
    lags = standby.Lags(MOST)
    for second, written in enumerate((100, 200, 200, 300)):
        lags.wrote(written, float(second))
        lags.replayed("db2", min(written, 200), float(second))
    assert lags.behind(3.5) == {"db2": 1.5}, "what was written at 2 s it has"


def test_one_that_says_nothing_falls_behind_though_nobody_writes() -> None:
    lags = standby.Lags(MOST)
    lags.replayed("db2", 100, 0.0)
    for second in range(5):
        lags.wrote(100, float(second))
        lags.replayed("db3", 100, float(second))
    assert lags.behind(4.5) == {"db2": 4.5, "db3": 0.5}


def test_one_that_is_too_far_to_tell_or_follows_nobody_is_not_near() -> None:
    lags = standby.Lags(MOST)
    for second in range(30):
        lags.wrote(100 + second, float(second))
    lags.replayed("db2", 100, 29.0)
    assert lags.behind(29.0) == {"db2": math.inf}
    lags.replayed("db2", None, 29.0)
    assert lags.behind(29.0) == {}


def test_another_primary_begins_anew() -> None:
    lags = standby.Lags(MOST)
    lags.wrote(100, 0.0)
    lags.replayed("db2", 100, 0.0)
    lags.forget()
    lags.replayed("db2", 100, 0.1)
    assert lags.behind(0.1) == {"db2": math.inf}, "nobody has said yet how far it has written"


@pytest.mark.parametrize(
    ("behind", "before", "chosen"),
    [
        ({"db2": 0.2, "db3": 0.2}, "", "db2"),
        ({"db2": 0.2, "db3": 0.2}, "db3", "db3"),
        ({"db2": 0.2, "db3": MOST}, "db3", "db3"),
        ({"db2": 0.2, "db3": MOST + 0.1}, "db3", "db2"),
        ({"db2": 2.0, "db3": MOST + 0.1}, "db3", None),
        ({"db2": 2.0}, "db1", None),
        ({}, "db2", None),
    ],
)
def test_the_one_before_stays_until_it_is_too_far(
    behind: dict[str, float], before: str, chosen: str | None
) -> None:
    assert standby.choose(behind, before, ORDER, MOST) == chosen


def test_web_hosts_do_not_all_read_from_the_same_member() -> None:
    firsts = {standby.order(ORDER, f"web{number}")[0] for number in range(1, 9)}
    assert len(firsts) > 1
    assert standby.order(ORDER, "web1") == standby.order(reversed(ORDER), "web1")
