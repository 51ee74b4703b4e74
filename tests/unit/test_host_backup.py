"""stackctl's backups: targets of a restore, what the repository says, and when it is not well."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from fixtures.host_plan import host_plan
from stackctl import backup, recovery, timelines
from stackctl.backup import Kept
from stackctl.recovery import Target
from stackctl.safe import StackctlError
from stackctl.stack import Stack

NOON = 1_795_521_600
"""2026-11-24 12:00:00+00"""
HOUR, DAY = 3600, 86400
KEPT = [
    Kept("20261122-030000F", "full", NOON - 2 * DAY, 100, "00000001"),
    Kept("20261122-030000F_20261124-030000I", "incr", NOON, 90, "00000001"),
]


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("latest", "latest", ""),
        (" latest ", "latest", ""),
        ("xid:4711", "xid", "4711"),
        ("name:before-import", "name", "before-import"),
        ("2026-11-24 12:00:00+00", "time", "2026-11-24 12:00:00.000000+00"),
        ("2026-11-24T13:00:00.5+01:00", "time", "2026-11-24 12:00:00.500000+00"),
    ],
)
def test_a_target_is_read_in_each_of_its_forms(text: str, kind: str, value: str) -> None:
    target = recovery.parse(text)
    assert (target.kind, target.value) == (kind, value)


@pytest.mark.parametrize(
    "text", ["", "now", "xid:", "xid:-3", "xid:1; rm", "name:", "name:'x'", "2026-13-01 0:00+00"]
)
def test_nonsense_is_refused_with_the_forms_there_are(text: str) -> None:
    with pytest.raises(StackctlError, match="latest, a time"):
        recovery.parse(text)


def test_a_time_without_its_zone_is_refused() -> None:
    with pytest.raises(StackctlError, match=re.escape("'2026-11-24 12:00+00' for UTC")):
        recovery.parse("2026-11-24 12:00")


@pytest.mark.parametrize(("moment", "place"), [(NOON - 1, 0), (NOON, 1), (NOON + 9, 1)])
def test_a_restore_begins_with_the_newest_backup_that_ended_before(
    moment: float, place: int
) -> None:
    assert recovery.choose(Target("time", "then", moment), KEPT, NOON + 10) == KEPT[place]


@pytest.mark.parametrize("kind", ["latest", "xid", "name"])
def test_without_a_time_it_begins_with_the_newest(kind: str) -> None:
    assert recovery.choose(Target(kind, "7"), KEPT, NOON).label == KEPT[1].label


@pytest.mark.parametrize(
    ("moment", "label", "reason"),
    [
        (NOON - 3 * DAY, "", "before the end of the oldest backup"),
        (NOON + 11, "", "in the future"),
        (NOON - 1, KEPT[1].label, "no backup of that name ended before"),
        (NOON, "20200101-000000F", "no backup of"),
    ],
)
def test_a_target_out_of_reach_is_refused(moment: float, label: str, reason: str) -> None:
    with pytest.raises(StackctlError, match=reason):
        recovery.choose(Target("time", "then", moment), KEPT, NOON + 10, label)


def test_without_a_backup_nothing_can_be_restored() -> None:
    with pytest.raises(StackctlError, match="no backup"):
        recovery.choose(Target("latest"), [], NOON)


def test_pgbackrest_is_told_the_target_and_the_backup() -> None:
    assert recovery.options(Target("latest"), KEPT[0]) == [
        "--set=20261122-030000F",
        "--type=default",
    ]
    assert recovery.options(Target("xid", "7"), KEPT[0], "3") == [
        "--set=20261122-030000F",
        "--type=xid",
        "--target=7",
        "--target-action=promote",
        "--target-timeline=3",
    ]


def test_a_time_that_a_restore_left_behind_names_its_timeline() -> None:
    left = [timelines.Left("1", NOON, NOON + HOUR)]
    with pytest.raises(StackctlError, match="--timeline 1"):
        timelines.check(NOON + 60, left)
    for moment in (NOON - 1, NOON + HOUR + 1, None):
        timelines.check(moment, left)


def info(code: int, *backups: dict[str, Any]) -> str:
    return json.dumps(
        [{"status": {"code": code, "message": "said"}, "db": [{"id": 1}], "backup": list(backups)}]
    )


def entry(label: str, stop: int, *, error: bool = False) -> dict[str, Any]:
    return {
        "label": label,
        "type": "full",
        "timestamp": {"stop": stop},
        "info": {"size": 5},
        "archive": {"stop": "000000020000000000000003"},
        "error": error,
        "database": {"id": 1},
    }


def test_backups_are_read_oldest_first_and_damaged_ones_left_out() -> None:
    backups = backup.parse(info(0, entry("b", 2), entry("a", 1), entry("c", 3, error=True)))
    assert [(kept.label, kept.timeline) for kept in backups] == [
        ("a", "00000002"),
        ("b", "00000002"),
    ]


def test_a_repository_without_backups_is_empty_and_one_that_cannot_be_read_is_refused() -> None:
    assert backup.parse(info(2)) == []
    with pytest.raises(StackctlError, match="said"):
        backup.parse(info(99))
    with pytest.raises(StackctlError, match="no stanza"):
        backup.parse("[]")


@pytest.mark.parametrize(("age", "good"), [(29 * HOUR, True), (31 * HOUR, False)])
def test_a_backup_is_late_when_the_next_one_did_not_come(age: int, good: bool) -> None:
    line = backup.backups(KEPT, NOON + age, 30 * HOUR)
    assert (line.good, "late" in line.text) == (good, not good)


@pytest.mark.parametrize(
    ("without", "reason"),
    [
        (("backup",), "The database is not on this host, which keeps files alone"),
        (("backup", "file_backup"), "This host keeps no backups"),
    ],
)
def test_a_host_without_a_database_says_what_it_keeps(
    without: tuple[str, ...], reason: str
) -> None:
    stack: Stack = host_plan().model_copy(update=dict.fromkeys(without))
    with pytest.raises(StackctlError, match=reason):
        backup.require(stack)


def test_no_backup_at_all_is_not_well() -> None:
    assert not backup.backups([], NOON, DAY).good


@pytest.mark.parametrize(
    ("row", "good", "text"),
    [
        ("40|f|0|0", True, "last WAL 40 s ago"),
        ("-1|f|0|0", True, "no WAL yet"),
        ("3|f|1|59", True, "WAL 3 s ago"),
        ("7200|t|12|60", False, "12 segments"),
        ("7200|f|12|700", False, "12 segments of WAL wait, the oldest for 11"),
    ],
)
def test_wal_that_does_not_arrive_is_told(row: str, good: bool, text: str) -> None:
    line = backup.archive(row)
    assert (line.good, text in line.text) == (good, True)


PASSED = {
    "result": "passed",
    "ended": NOON,
    "seconds": 3,
    "backup": "a",
    "recovered_to": "then",
    "tables": 6,
}


@pytest.mark.parametrize(
    ("state", "good", "text"),
    [
        (None, True, "none yet"),
        (PASSED, True, "passed"),
        ({**PASSED, "ended": NOON - 8 * DAY}, False, "late"),
        ({"result": "failed", "ended": NOON, "error": "checksum"}, False, "checksum"),
        ({"result": "running", "ended": NOON}, True, "began 60 min ago"),
        ({"result": "running", "ended": NOON - DAY}, False, "began 25 h ago"),
    ],
)
def test_a_drill_must_have_passed_of_late(
    state: dict[str, Any] | None, good: bool, text: str
) -> None:
    line = backup.drill(state, NOON + HOUR, 7 * DAY, 6 * HOUR)
    assert (line.good, text in line.text) == (good, True)


def test_a_drill_leaves_the_database_its_space() -> None:
    gigabyte = 1024**3
    backup.require_space(3 * gigabyte, 2 * gigabyte)
    with pytest.raises(StackctlError, match="3071 MB are free"):
        backup.require_space(3 * gigabyte - 1, 2 * gigabyte)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (200_000, "2 d")],
)
def test_ages_are_told_in_the_unit_that_fits(seconds: float, text: str) -> None:
    assert backup.age(seconds) == text
