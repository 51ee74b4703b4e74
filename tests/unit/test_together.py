"""Answers of several PgBouncers as one."""

from __future__ import annotations

from typing import Any

from fixtures.metric_rows import CONFIG, DATABASES, POOLS, STATS
from pgstack.live.probes.together import together


def rows(what: str, *parts: dict[str, Any]) -> list[dict[str, Any]]:
    return together(what, [[part] for part in parts])


def test_the_only_answer_stays_as_it_is() -> None:
    answer = [POOLS]
    assert together("POOLS", [answer]) is answer


def test_clients_and_backends_are_summed_and_the_longest_wait_counts() -> None:
    waits = {"cl_active": 1, "maxwait": 2, "maxwait_us": 5}
    (row,) = rows("POOLS", POOLS, POOLS | waits)
    assert (row["cl_active"], row["sv_active"], row["cl_waiting"]) == (7, 10, 4)
    assert (row["maxwait"], row["maxwait_us"]) == (2, 5)
    assert (row["user"], row["pool_mode"]) == ("app", "transaction")


def test_counters_are_summed() -> None:
    (row,) = rows("STATS", STATS, STATS)
    assert (row["total_xact_count"], row["total_wait_time"]) == (80, 1_000_000)


def test_a_database_is_paused_where_one_is() -> None:
    (row,) = rows("DATABASES", {**DATABASES, "paused": 0}, {**DATABASES, "paused": 1})
    assert (row["paused"], row["port"], row["max_connections"], row["pool_size"]) == (
        *(1, 5432, 14, 10),
    )


def test_a_pool_that_only_one_has_is_there() -> None:
    lane = {**POOLS, "database": "app_lane_slow"}
    shown = together("POOLS", [[POOLS, lane], [POOLS]])
    assert [(row["database"], row["sv_active"]) for row in shown] == [
        ("app", 10),
        ("app_lane_slow", 5),
    ]


def test_settings_that_are_parts_are_summed() -> None:
    size = {"key": "default_pool_size", "value": "3", "default": "20", "changeable": "yes"}
    shown = together("CONFIG", [[*CONFIG, size], [*CONFIG, {**size, "value": "2"}]])
    assert {row["key"]: row["value"] for row in shown} == {
        "max_client_conn": "236",
        "auth_type": "hba",
        "default_pool_size": "5",
    }


def test_lists_are_shown_one_after_the_other() -> None:
    assert rows("SERVERS", {"remote_pid": 1}, {"remote_pid": 2}) == [
        {"remote_pid": 1},
        {"remote_pid": 2},
    ]
