"""Whom PgBouncer is led to, and for how long requests are held back, from what members of a cluster
say."""

from __future__ import annotations

import pytest

from pgstack.ops.primary import Hold, Led, choose, held


def claimed(timelines: dict[str, int]) -> list[Led]:
    return [Led(member, timeline) for member, timeline in timelines.items()]


@pytest.mark.parametrize(
    ("claims", "before", "chosen"),
    [
        ({"db1": 1}, None, Led("db1", 1)),
        ({}, Led("db1", 1), None),
        ({"db1": 7, "db2": 8}, Led("db1", 7), Led("db2", 8)),
        ({"db1": 7}, Led("db1", 7), Led("db1", 7)),
        ({"db1": 8}, Led("db1", 7), Led("db1", 8)),
    ],
)
def test_the_member_with_the_highest_timeline_is_the_primary(
    claims: dict[str, int], before: Led | None, chosen: Led | None
) -> None:
    assert choose(claimed(claims), before) == chosen


def test_a_later_epoch_has_timelines_of_its_own_and_an_earlier_one_never_counts() -> None:
    upgraded = Led("db1", 1, epoch=1)
    assert choose([Led("db2", 7), upgraded], Led("db2", 7)) == upgraded
    assert choose([Led("db2", 8)], upgraded) is None
    assert choose([Led("db2", 1, epoch=1)], upgraded) is None
    assert choose([Led("db2", 7, epoch=2)], Led("db1", 9, epoch=1)) == Led("db2", 7, epoch=2)


@pytest.mark.parametrize(
    ("claims", "before"),
    [
        ({"db1": 7}, Led("db2", 8)),  # cut off while db2 was promoted, and db2 does not answer
        ({"db1": 8}, Led("db2", 8)),  # a second timeline 8: writes were lost so
        ({"db2": 8, "db3": 8}, Led("db1", 7)),
        ({"db1": 8, "db2": 8}, Led("db2", 8)),
    ],
)
def test_no_member_is_trusted_whose_claim_may_be_an_old_one(
    claims: dict[str, int], before: Led
) -> None:
    assert choose(claimed(claims), before) is None


def test_requests_are_held_from_the_first_look_on_and_not_for_longer_than_they_wait() -> None:
    hold = held(Hold(), wanted=True, now=100.0, longest=9)
    assert hold == Hold(100.0)
    assert held(hold, wanted=True, now=108.9, longest=9) == Hold(100.0)
    assert held(hold, wanted=True, now=109.0, longest=9) == Hold(100.0, over=True)


def test_requests_pass_once_a_member_leads() -> None:
    assert held(Hold(100.0, over=True), wanted=False, now=130.0, longest=9) == Hold()
