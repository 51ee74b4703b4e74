"""Whose place an empty host takes among the members of a cluster."""

from __future__ import annotations

import pytest

from fixtures.host_plan import member_plan
from pgstack.live.probes.etcd import Peer
from stackctl import joining
from stackctl.safe import StackctlError

ONE, TWO, THREE = (
    Peer(str(number), f"db{number}", (f"https://10.0.0.2{number}:2380",), started=True)
    for number in (1, 2, 3)
)
MOVED = Peer("3", "db3", ("https://10.0.0.99:2380",), started=True)
OTHER = Peer("4", "db4", ("https://10.0.0.24:2380",), started=True)
ELSEWHERE = Peer("2", "db2", ("https://10.0.0.98:2380",), started=True)
EXPECTED = Peer("5", "", ("https://10.0.0.23:2380",), started=False)


@pytest.mark.parametrize(
    ("listed", "lost"),
    [
        ([ONE, TWO, THREE], [THREE]),  # the same address: its data are gone
        ([ONE, TWO, MOVED], [MOVED]),
        ([ONE, TWO, OTHER], [OTHER]),  # no member any more
        ([ONE, TWO, EXPECTED], []),  # an attempt before, which did not come to its end
        ([ONE, TWO], []),
    ],
)
def test_the_others_forget_whose_place_it_takes(listed: list[Peer], lost: list[Peer]) -> None:
    assert joining.whose_place(member_plan("db3"), listed) == lost


def test_two_are_not_replaced_at_once() -> None:
    with pytest.raises(StackctlError, match="db2 and db3 would be replaced at once"):
        joining.whose_place(member_plan("db1"), [ELSEWHERE, MOVED])


@pytest.mark.parametrize("listed", [[ONE], [ONE, EXPECTED], [ONE, TWO], [ONE, TWO, EXPECTED]])
def test_etcd_joins_with_just_those_that_the_others_have(listed: list[Peer]) -> None:
    """It does not start with any more or any fewer."""
    names = [peer.name for peer in listed if peer.started]
    expected = {name: f"https://10.0.0.2{name[-1]}:2380" for name in [*names, "db3"]}
    assert joining.initial_members(member_plan("db3"), listed) == expected
