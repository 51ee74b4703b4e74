"""The planner: literal plans, and rules that hold on any hardware."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from pgstack import invariants
from pgstack.config import StackConfig
from pgstack.errors import InputError, UnsoundPlan
from pgstack.hardware import Hardware
from pgstack.plan import Plan
from pgstack.sizing import plan

MB = 1024**2

CORES = st.integers(1, 128)
MEMORY_MB = st.integers(64, 2048) | st.integers(64, 2 * 1024**2)


def sized(cores: int, memory_mb: int, debian: int = 13, **inputs: object) -> Plan:
    """The plan of the compose target on this hardware."""
    config = StackConfig.model_validate({"target": "compose", **inputs})
    return plan(config, Hardware(cores=cores, memory=memory_mb * MB, debian=debian))


def fits(cores: int) -> int:
    """MB of memory that are always enough for the defaults on `cores`."""
    return 512 + 36 * cores


def numbers(stack: Plan) -> dict[str, int | str]:
    """What an operator would look at first."""
    settings = stack.postgres.settings
    return {
        "processes": stack.web.processes, "threads": stack.web.threads, "backlog": stack.web.listen_backlog,
        "workers": stack.apache.max_request_workers, "children": stack.apache.server_limit,
        "pool": stack.pooler.default_pool_size, "reserve": stack.pooler.reserve_pool_size,
        "max_db": stack.pooler.max_db_connections, "clients": stack.pooler.max_client_conn,
        "descriptors": stack.pooler.file_descriptors, "max_connections": stack.postgres.max_connections,
        **{name: settings[name] for name in (
            "shared_buffers", "effective_cache_size", "work_mem", "maintenance_work_mem", "max_wal_size",
            "autovacuum_max_workers", "max_parallel_workers_per_gather",
        )},
    }  # fmt: skip


LITERAL = {
    (1, 512): {
        "processes": 2, "threads": 4, "backlog": 512, "workers": 64, "children": 2, "pool": 3, "reserve": 2,
        "max_db": 5, "clients": 36, "descriptors": 105, "max_connections": 14, "shared_buffers": "64MB",
        "effective_cache_size": "256MB", "work_mem": "2MB", "maintenance_work_mem": "16MB", "max_wal_size": "1024MB",
        "autovacuum_max_workers": "2", "max_parallel_workers_per_gather": "0",
    },
    (2, 2048): {
        "processes": 2, "threads": 4, "backlog": 512, "workers": 64, "children": 2, "pool": 5, "reserve": 2,
        "max_db": 7, "clients": 36, "descriptors": 107, "max_connections": 16, "shared_buffers": "384MB",
        "effective_cache_size": "1024MB", "work_mem": "8MB", "maintenance_work_mem": "64MB", "max_wal_size": "1024MB",
        "autovacuum_max_workers": "2", "max_parallel_workers_per_gather": "0",
    },
    (8, 16384): {
        "processes": 8, "threads": 4, "backlog": 512, "workers": 128, "children": 4, "pool": 17, "reserve": 4,
        "max_db": 21, "clients": 84, "descriptors": 169, "max_connections": 30, "shared_buffers": "3968MB",
        "effective_cache_size": "8192MB", "work_mem": "34MB", "maintenance_work_mem": "512MB",
        "max_wal_size": "4096MB", "autovacuum_max_workers": "3", "max_parallel_workers_per_gather": "2",
    },
    (128, 1048576): {
        "processes": 128, "threads": 4, "backlog": 4096, "workers": 2048, "children": 64, "pool": 257, "reserve": 64,
        "max_db": 321, "clients": 1044, "descriptors": 1429, "max_connections": 330, "shared_buffers": "65536MB",
        "effective_cache_size": "524288MB", "work_mem": "64MB", "maintenance_work_mem": "1024MB",
        "max_wal_size": "32768MB", "autovacuum_max_workers": "5", "max_parallel_workers_per_gather": "2",
    },
}  # fmt: skip


@pytest.mark.parametrize("debian", [12, 13])
@pytest.mark.parametrize(("cores", "memory_mb"), LITERAL)
def test_the_numbers_of_known_machines(cores: int, memory_mb: int, debian: int) -> None:
    assert numbers(sized(cores, memory_mb, debian)) == LITERAL[cores, memory_mb]


def test_debian_12_brings_the_older_servers_and_their_settings() -> None:
    stack = sized(2, 2048, 12)
    assert (stack.versions.postgresql, stack.versions.pgbouncer, stack.versions.python) == (15, "1.18", "3.11")
    assert stack.paths.data == "/var/lib/postgresql/15/main"
    assert (stack.pooler.web_login, stack.pooler.monitor_login, stack.pooler.peer_maps) == ("app", "app", False)
    assert "max_prepared_statements" not in stack.pooler.settings
    assert "auth_ident_file" not in stack.pooler.settings
    assert "transaction_timeout" not in stack.postgres.app_settings


def test_debian_13_brings_the_newer_servers_and_their_settings() -> None:
    stack = sized(2, 2048, 13)
    assert (stack.versions.postgresql, stack.versions.pgbouncer, stack.versions.python) == (17, "1.24", "3.13")
    assert stack.paths.data == "/var/lib/postgresql/17/main"
    assert (stack.pooler.web_login, stack.pooler.monitor_login, stack.pooler.peer_maps) == ("app", "app_monitor", True)
    assert stack.pooler.settings["max_prepared_statements"] == "200"
    assert stack.pooler.settings["auth_ident_file"] == "/etc/stack/pgbouncer/ident.conf"
    assert stack.postgres.app_settings["transaction_timeout"] == "30s"


def test_the_timeouts_follow_from_the_request_timeout() -> None:
    stack = sized(2, 2048, request_timeout=60)
    assert (stack.web.request_timeout, stack.web.queue_timeout, stack.web.graceful_timeout) == (60, 20, 30)
    assert (stack.postgres.statement_timeout, stack.pooler.query_timeout, stack.apache.timeout) == (40, 50, 120)
    assert (stack.web.shutdown_timeout, stack.pooler.query_wait_timeout) == (20, 20)
    assert stack.postgres.app_settings["statement_timeout"] == "40s"
    assert stack.pooler.settings["query_timeout"] == "50"


@given(st.integers(6, 3600))
@example(6)
@example(7)
def test_every_request_timeout_gives_a_sound_plan(seconds: int) -> None:
    assert sized(2, 2048, request_timeout=seconds).web.request_timeout == seconds


def test_explicit_sizes_are_taken_and_explained() -> None:
    stack = sized(2, 4096, processes=5, threads=3, pool_size=12, web_hosts=2, direct_connections=10)
    assert (stack.web.processes, stack.web.threads) == (5, 3)
    assert stack.pooler.max_client_conn == 80
    assert (stack.pooler.reserve_pool_size, stack.pooler.max_db_connections) == (3, 15)
    assert stack.postgres.max_connections == 43
    assert stack.arithmetic["web.processes"] == "STACK_PROCESSES=5"
    assert stack.arithmetic["pooler.default_pool_size"] == "STACK_POOL_SIZE=12"
    assert stack.arithmetic["postgres.max_connections"] == "30 through the pooler + 10 direct + 3 superuser"


@pytest.mark.parametrize("unknown", ["cores", "memory", "debian"])
def test_what_is_unknown_must_be_set(unknown: str) -> None:
    known = {"cores": 2, "memory": 2048 * MB, "debian": 13}
    with pytest.raises(InputError, match=rf"^STACK_{unknown.upper()}: unknown on this machine\. Set it\.$"):
        plan(StackConfig(target="compose"), Hardware(**{**known, unknown: None}))


def test_an_unsupported_release_is_refused() -> None:
    with pytest.raises(InputError, match="STACK_DEBIAN=11: unsupported release"):
        plan(StackConfig(target="compose"), Hardware(cores=2, memory=2048 * MB, debian=11))


@given(cores=CORES, memory_mb=MEMORY_MB, debian=st.sampled_from([12, 13]))
def test_a_plan_is_sound_or_refused_and_enough_memory_is_never_refused(cores: int, memory_mb: int, debian: int) -> None:
    try:
        stack = sized(cores, memory_mb, debian)
    except UnsoundPlan:
        assert memory_mb < fits(cores)
        return
    assert [rule.arithmetic for rule in invariants.check(stack) if not rule.holds] == []
    assert sum(stack.memory.shares().values()) <= memory_mb * MB


def capacity(stack: Plan) -> list[int]:
    """Numbers that may only grow with the machine."""
    return [
        stack.web.processes, stack.web.requests, stack.apache.max_request_workers, stack.pooler.default_pool_size,
        stack.pooler.max_db_connections, stack.pooler.max_client_conn, stack.postgres.max_connections,
        stack.memory.shared_buffers, stack.memory.maintenance,
    ]  # fmt: skip


@given(cores=CORES, more=CORES, memory_mb=st.integers(0, 1024**2))
def test_more_cores_never_lower_the_capacity(cores: int, more: int, memory_mb: int) -> None:
    assume(cores < more)
    memory_mb += fits(more)
    small, large = capacity(sized(cores, memory_mb)), capacity(sized(more, memory_mb))
    assert all(left <= right for left, right in zip(small, large, strict=True)), (small, large)


@given(cores=CORES, extra=st.integers(0, 16384), more=st.integers(1, 1024**2))
def test_more_memory_never_lowers_the_capacity(cores: int, extra: int, more: int) -> None:
    memory_mb = fits(cores) + extra
    small, large = capacity(sized(cores, memory_mb)), capacity(sized(cores, memory_mb + more))
    assert all(left <= right for left, right in zip(small, large, strict=True)), (small, large)


def refusal(cores: int, memory_mb: int, **inputs: object) -> str:
    """The message with which a plan is refused."""
    with pytest.raises(UnsoundPlan) as caught:
        sized(cores, memory_mb, **inputs)  # type: ignore[arg-type]
    return str(caught.value)


def test_a_refusal_carries_its_arithmetic() -> None:
    assert (
        "memory in MB: 109 system + 128 web + 9 apache + 16 pooler + 32 shared_buffers + 70 backends "
        "+ 32 maintenance = 396 > 256 = memory."
    ) in refusal(1, 256)


def test_a_refusal_names_the_next_larger_memory_that_works() -> None:
    assert "STACK_MEMORY=426m" in refusal(1, 256)
    assert sized(1, 426).memory.total == 426 * MB
    assert "425 = memory" in refusal(1, 425)


@given(
    cores=CORES, memory_mb=st.integers(1, 6000), debian=st.sampled_from([12, 13]),
    processes=st.none() | st.integers(1, 512), pool_size=st.none() | st.integers(1, 2000),
)  # fmt: skip
def test_the_memory_that_a_refusal_names_works(
    cores: int, memory_mb: int, debian: int, processes: int | None, pool_size: int | None
) -> None:
    try:
        sized(cores, memory_mb, debian, processes=processes, pool_size=pool_size)
    except UnsoundPlan as error:
        named = re.findall(r"STACK_MEMORY=(\d+)m", str(error))
        assert len(named) == 1
        assert int(named[0]) > memory_mb
        sized(cores, int(named[0]), debian, processes=processes, pool_size=pool_size)


def test_the_same_inputs_give_the_same_plan_and_it_survives_json() -> None:
    stack = sized(4, 8192)
    assert sized(4, 8192) == stack
    assert Plan.model_validate_json(stack.model_dump_json()) == stack
