"""Each invariant by itself: a sound plan with one bad number breaks exactly the rule that guards
it."""

from __future__ import annotations

from typing import Any

import pytest

from pgstack.errors import UnsoundPlan
from pgstack.planning import invariants
from pgstack.planning.config import StackConfig
from pgstack.planning.hardware import Hardware
from pgstack.planning.plan import Plan
from pgstack.planning.sizing import plan

GB = 1024**3

NAMES = [
    "clients of the pooler",
    "workers of Apache",
    "pool within its limit",
    "backends of PostgreSQL",
    "memory in MB",
    "file descriptors of the pooler",
    "file descriptors of Apache",
    "threads of Apache",
    "timeouts of a query in s",
    "timeouts of a wait for the pool in s",
    "timeouts of a PAUSE in s",
    "timeouts of a restart in s",
    "timeouts of the queue in s",
    "timeouts of a hung request in s",
    "timeouts of a held interpreter in s",
    "length of a socket's path",
]


@pytest.fixture
def sound() -> Plan:
    """2 cores, 2 GB, 1024 open files, 2048 threads: 36 clients, 5 + 2 backends, 23 connections;
    Apache with workers to spare."""
    hardware = Hardware(cores=2, memory=2 * GB, debian=13, open_files=1024, max_threads=2048)
    return changed(
        plan(StackConfig.model_validate({"target": "compose"}), hardware),
        "apache",
        slow_clients=200,
    )


def changed(stack: Plan, part: str, **numbers: Any) -> Plan:
    """The plan with other numbers in one of its parts."""
    return stack.model_copy(update={part: getattr(stack, part).model_copy(update=numbers)})


def broken(stack: Plan) -> list[str]:
    """Names of the rules that do not hold."""
    return [rule.name for rule in invariants.check(stack) if not rule.holds]


def test_a_planned_stack_breaks_no_rule(sound: Plan) -> None:
    assert [rule.name for rule in invariants.check(sound)] == NAMES
    assert broken(sound) == []
    invariants.require(sound)


# The first number is the last one that holds, the second the first one that does not.
EDGES = [
    ("clients of the pooler", "pooler", "max_client_conn", 18, 17),
    ("clients of the pooler", "web", "threads", 113, 114),
    ("clients of the pooler", "web", "processes", 56, 57),
    ("workers of Apache", "apache", "max_request_workers", 408, 407),
    ("workers of Apache", "apache", "slow_clients", 316, 317),
    ("pool within its limit", "pooler", "default_pool_size", 5, 6),
    ("pool within its limit", "pooler", "reserve_pool_size", 2, 3),
    ("pool within its limit", "pooler", "max_db_connections", 7, 6),
    ("backends of PostgreSQL", "pooler", "max_db_connections", 7, 8),
    ("backends of PostgreSQL", "postgres", "max_connections", 24, 23),
    ("backends of PostgreSQL", "postgres", "superuser_reserved_connections", 3, 4),
    ("backends of PostgreSQL", "postgres", "direct_connections", 6, 7),
    ("backends of PostgreSQL", "pooler", "instances", 2, 3),
    ("memory in MB", "memory", "total", 1345 * 1024**2, 1345 * 1024**2 - 1),
    ("memory in MB", "memory", "shared_buffers", GB, 2 * GB),
    ("memory in MB", "memory", "web", GB * 3 // 4, 2 * GB),
    ("memory in MB", "memory", "apache", GB // 2, 2 * GB),
    ("memory in MB", "memory", "pooler", GB // 2, 2 * GB),
    ("memory in MB", "memory", "postgres", GB // 2, 2 * GB),
    ("memory in MB", "memory", "backends", GB // 2, 2 * GB),
    ("memory in MB", "memory", "work", GB * 3 // 4, 2 * GB),
    ("memory in MB", "memory", "maintenance", GB * 3 // 4, 2 * GB),
    ("memory in MB", "memory", "system", GB * 3 // 4, 2 * GB),
    ("memory in MB", "memory", "metrics", GB // 2, 2 * GB),
    ("file descriptors of the pooler", "pooler", "file_descriptors", 1024, 1025),
    ("file descriptors of Apache", "apache", "file_descriptors", 1024, 1025),
    ("threads of Apache", "apache", "max_request_workers", 1024, 1025),
    ("threads of Apache", "apache", "instances", 1, 2),
    ("timeouts of a query in s", "postgres", "statement_timeout", 24, 25),
    ("timeouts of a query in s", "pooler", "query_timeout", 29, 30),
    ("timeouts of a wait for the pool in s", "pooler", "query_wait_timeout", 29, 30),
    ("timeouts of a PAUSE in s", "pooler", "pause_timeout", 9, 10),
    ("timeouts of a restart in s", "web", "shutdown_timeout", 14, 15),
    ("timeouts of a restart in s", "web", "graceful_timeout", 29, 30),
    ("timeouts of the queue in s", "web", "queue_timeout", 29, 30),
    ("timeouts of a hung request in s", "web", "socket_timeout", 30, 31),
    ("timeouts of a hung request in s", "web", "watchdog_timeout", 59, 60),
    ("timeouts of a held interpreter in s", "web", "deadlock_timeout", 59, 60),
]


@pytest.mark.parametrize(("name", "part", "field", "good", "bad"), EDGES)
def test_one_bad_number_breaks_exactly_its_rule(
    sound: Plan, name: str, part: str, field: str, good: int, bad: int
) -> None:
    assert broken(changed(sound, part, **{field: good})) == []
    assert broken(changed(sound, part, **{field: bad})) == [name]


def test_every_rule_is_broken_by_some_test() -> None:
    assert {name for name, *_ in EDGES} == set(NAMES) - {"length of a socket's path"}


def test_apache_must_wait_longer_than_the_request_for_query_and_pool(sound: Plan) -> None:
    assert broken(changed(sound, "apache", timeout=32)) == []
    assert broken(changed(sound, "apache", timeout=30)) == [
        "timeouts of a query in s",
        "timeouts of a wait for the pool in s",
        "timeouts of a hung request in s",
        "timeouts of a held interpreter in s",
    ]


def test_a_rule_that_just_holds_says_so(sound: Plan) -> None:
    arithmetic = {rule.name: rule.arithmetic for rule in invariants.check(sound)}
    assert arithmetic["pool within its limit"] == "5 pool + 2 reserve = 7 ≤ 7 = max_db_connections"
    assert (
        arithmetic["timeouts of a restart in s"]
        == "shutdown-timeout 10 < graceful-timeout 15 < request-timeout 30"
    )


def test_an_unknown_limit_of_open_files_is_not_judged(sound: Plan) -> None:
    unknown = sound.model_copy(update={"open_files": None})
    assert [rule.name for rule in invariants.check(unknown)] == [
        name for name in NAMES if not name.startswith("file descriptors")
    ]


def test_an_unknown_limit_of_threads_is_not_judged(sound: Plan) -> None:
    unknown = sound.model_copy(update={"max_threads": None})
    assert [rule.name for rule in invariants.check(unknown)] == [
        name for name in NAMES if name != "threads of Apache"
    ]


@pytest.mark.parametrize(
    ("field", "longest"),
    [("run_postgres", 88), ("run_pooler", 93), ("run_apache", 83)],
)
def test_a_socket_path_may_have_107_bytes(sound: Plan, field: str, longest: int) -> None:
    fitting, long = "/" + "a" * (longest - 1), "/" + "a" * longest
    assert broken(changed(sound, "paths", **{field: fitting})) == []
    assert broken(changed(sound, "paths", **{field: long})) == ["length of a socket's path"]


def test_the_length_of_a_socket_path_counts_bytes_and_not_letters(sound: Plan) -> None:
    assert broken(changed(sound, "paths", run_pooler="/" + "ä" * 50)) == [
        "length of a socket's path"
    ]


def test_a_refused_plan_shows_the_arithmetic_and_the_remedy(sound: Plan) -> None:
    with pytest.raises(UnsoundPlan) as caught:
        invariants.require(changed(sound, "postgres", max_connections=22))
    assert str(caught.value) == (
        "unsound plan: backends of PostgreSQL: 7 max_db_connections x 2 instances of PgBouncer = 14 "
        "> 12 = "
        "22 max_connections - 3 superuser - 6 direct - 1 of the exporter. Lower STACK_POOL_SIZE."
    )


def test_a_refused_plan_shows_every_broken_rule(sound: Plan) -> None:
    bad = changed(changed(sound, "web", queue_timeout=31), "pooler", reserve_pool_size=3)
    with pytest.raises(UnsoundPlan) as caught:
        invariants.require(bad)
    assert str(caught.value).splitlines() == [
        (
            "unsound plan: pool within its limit: 5 pool + 3 reserve = 8 > 7 = max_db_connections. "
            "Lower STACK_POOL_SIZE."
        ),
        (
            "unsound plan: timeouts of the queue in s: not queue 31 < request-timeout 30. "
            "Raise STACK_REQUEST_TIMEOUT."
        ),
    ]
