"""When the lease of a cluster's leader ends before its time: its host is lost for all others."""

from __future__ import annotations

import pytest

from pgstack.ops.silence import Leader, Quiet, ends, looked

MEMBERS = ("db1", "db2", "db3")
LOST = Leader("db1", "17")
BOTH = {"db2": "17", "db3": "17"}


def test_the_synchronous_standby_ends_the_lease_once_all_others_agree() -> None:
    assert ends(LOST, "db2", ["db2"], BOTH, MEMBERS)


@pytest.mark.parametrize(
    ("own", "synchronous", "votes"),
    [
        pytest.param("db3", ["db2"], BOTH, id="another is synchronous"),
        pytest.param("db2", [""], BOTH, id="none is synchronous"),
        pytest.param("db2", ["db2"], {"db2": "17"}, id="the third hears the leader"),
        pytest.param("db2", ["db2"], {"db2": "17", "db3": "16"}, id="a vote on an earlier lease"),
        pytest.param("db2", ["db2"], {"db1": "17", "db2": "17"}, id="the leader is no voter"),
    ],
)
def test_nobody_ends_a_lease_otherwise(
    own: str, synchronous: list[str], votes: dict[str, str]
) -> None:
    assert not ends(LOST, own, synchronous, votes, MEMBERS)


def test_silence_lasts_from_the_first_look_without_a_sign() -> None:
    quiet = looked(Quiet(), LOST, 1.0, sign=False)
    assert looked(quiet, LOST, 2.0, sign=False).since == 1.0


@pytest.mark.parametrize("leader", [Leader("db2", "18"), Leader("db1", "18"), None])
def test_silence_of_another_leader_begins_anew(leader: Leader | None) -> None:
    quiet = looked(Quiet(LOST, 1.0), leader, 2.0, sign=False)
    assert quiet.since == (2.0 if leader else None)


def test_a_sign_ends_silence() -> None:
    assert looked(Quiet(LOST, 1.0), LOST, 2.0, sign=True).since is None
