"""Whether a drill's history shows what must not be."""

from __future__ import annotations

from history import Write, conflicts, forks, lost

FIRST, SECOND = "00000001", "00000002"


def _write(number: int, member: str, timeline: str, began: float, ended: float) -> Write:
    return Write("db1", number, member, timeline, began, ended)


def test_a_change_of_the_leader_is_no_conflict() -> None:
    writes = [_write(1, "db1", FIRST, 0, 1), _write(2, "db2", SECOND, 5, 6)]
    assert list(conflicts(writes)) == []


def test_a_write_that_began_before_the_successors_is_no_conflict() -> None:
    writes = [_write(1, "db2", SECOND, 5, 6), _write(2, "db1", FIRST, 4, 8)]
    assert list(conflicts(writes)) == []


def test_an_old_leader_that_takes_a_write_after_its_successor_is_a_conflict() -> None:
    writes = [_write(1, "db2", SECOND, 5, 6), _write(2, "db1", FIRST, 7, 8)]
    assert list(conflicts(writes)) == [
        "db1 took a write on 00000001 after db2 had on 00000002",
    ]


def test_two_members_on_one_timeline_are_a_conflict() -> None:
    writes = [_write(1, "db2", SECOND, 5, 6), _write(2, "db1", SECOND, 5, 6)]
    assert list(conflicts(writes)) == ["db2 and db1 write timeline 00000002"]


def test_an_acknowledged_write_that_is_not_stored_is_lost() -> None:
    kept, gone = _write(1, "db1", FIRST, 0, 1), _write(2, "db1", FIRST, 1, 2)
    assert lost([kept, gone], {("db1", 1)}) == [gone]


def test_histories_that_differ_are_a_fork() -> None:
    same = {"00000002.history": "1\t0/5000000\tno recovery target"}
    other = {"00000002.history": "1\t0/4000000\tno recovery target"}
    assert forks({"db1": same, "db2": same, "db3": {}}) == []
    assert forks({"db1": same, "db2": other}) == ["00000002.history"]
