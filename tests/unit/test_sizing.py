"""The planner: literal plans, and rules that hold on any hardware."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fixtures.releases import DEBIANS
from fixtures.sized import CORES, MB, MEMORY_MB, sized
from pgstack.errors import InputError
from pgstack.planning import invariants
from pgstack.planning.config import StackConfig
from pgstack.planning.hardware import Hardware
from pgstack.planning.plan import Plan
from pgstack.planning.sizing import plan


def numbers(stack: Plan) -> dict[str, int | str]:
    """What an operator would look at first."""
    settings = stack.postgres.settings
    return {
        "processes": stack.web.processes,
        "threads": stack.web.threads,
        "backlog": stack.web.listen_backlog,
        "workers": stack.apache.max_request_workers,
        "children": stack.apache.server_limit,
        "slow": stack.apache.slow_clients,
        "files": stack.apache.file_descriptors,
        "pool": stack.pooler.default_pool_size,
        "reserve": stack.pooler.reserve_pool_size,
        "max_db": stack.pooler.max_db_connections,
        "clients": stack.pooler.max_client_conn,
        "descriptors": stack.pooler.file_descriptors,
        "max_connections": stack.postgres.max_connections,
        **{
            name: settings[name]
            for name in (
                "shared_buffers",
                "effective_cache_size",
                "work_mem",
                "maintenance_work_mem",
                "autovacuum_work_mem",
                "max_wal_size",
                "autovacuum_max_workers",
                "max_parallel_workers",
                "max_parallel_workers_per_gather",
            )
        },
    }


LITERAL = {
    (1, 512): {
        "processes": 1,
        "threads": 8,
        "backlog": 384,
        "workers": 192,
        "children": 2,
        "slow": 80,
        "files": 352,
        "pool": 3,
        "reserve": 2,
        "max_db": 5,
        "clients": 236,
        "descriptors": 305,
        "max_connections": 20,
        "shared_buffers": "64MB",
        "effective_cache_size": "256MB",
        "work_mem": "1MB",
        "maintenance_work_mem": "16MB",
        "autovacuum_work_mem": "8MB",
        "max_wal_size": "1024MB",
        "autovacuum_max_workers": "2",
        "max_parallel_workers": "0",
        "max_parallel_workers_per_gather": "0",
    },
    (2, 4096): {
        "processes": 2,
        "threads": 4,
        "backlog": 2752,
        "workers": 1376,
        "children": 2,
        "slow": 672,
        "files": 2128,
        "pool": 5,
        "reserve": 2,
        "max_db": 7,
        "clients": 236,
        "descriptors": 307,
        "max_connections": 24,
        "shared_buffers": "896MB",
        "effective_cache_size": "2048MB",
        "work_mem": "10MB",
        "maintenance_work_mem": "128MB",
        "autovacuum_work_mem": "64MB",
        "max_wal_size": "1024MB",
        "autovacuum_max_workers": "2",
        "max_parallel_workers": "1",
        "max_parallel_workers_per_gather": "0",
    },
    (8, 32768): {
        "processes": 8,
        "threads": 4,
        "backlog": 12544,
        "workers": 6272,
        "children": 2,
        "slow": 3072,
        "files": 9472,
        "pool": 17,
        "reserve": 4,
        "max_db": 21,
        "clients": 284,
        "descriptors": 369,
        "max_connections": 52,
        "shared_buffers": "8064MB",
        "effective_cache_size": "16384MB",
        "work_mem": "36MB",
        "maintenance_work_mem": "1024MB",
        "autovacuum_work_mem": "341MB",
        "max_wal_size": "8192MB",
        "autovacuum_max_workers": "3",
        "max_parallel_workers": "4",
        "max_parallel_workers_per_gather": "2",
    },
    (32, 131072): {
        "processes": 32,
        "threads": 4,
        "backlog": 13312,
        "workers": 6656,
        "children": 2,
        "slow": 3072,
        "files": 10048,
        "pool": 65,
        "reserve": 16,
        "max_db": 81,
        "clients": 476,
        "descriptors": 621,
        "max_connections": 172,
        "shared_buffers": "32640MB",
        "effective_cache_size": "65536MB",
        "work_mem": "43MB",
        "maintenance_work_mem": "1024MB",
        "autovacuum_work_mem": "512MB",
        "max_wal_size": "16384MB",
        "autovacuum_max_workers": "5",
        "max_parallel_workers": "16",
        "max_parallel_workers_per_gather": "2",
    },
    (128, 1048576): {
        "processes": 128,
        "threads": 4,
        "backlog": 16384,
        "workers": 8192,
        "children": 2,
        "slow": 3072,
        "files": 12352,
        "pool": 257,
        "reserve": 64,
        "max_db": 321,
        "clients": 1244,
        "descriptors": 1629,
        "max_connections": 652,
        "shared_buffers": "65536MB",
        "effective_cache_size": "524288MB",
        "work_mem": "64MB",
        "maintenance_work_mem": "1024MB",
        "autovacuum_work_mem": "512MB",
        "max_wal_size": "16384MB",
        "autovacuum_max_workers": "5",
        "max_parallel_workers": "64",
        "max_parallel_workers_per_gather": "2",
    },
}


@pytest.mark.parametrize("debian", DEBIANS)
@pytest.mark.parametrize(("cores", "memory_mb"), LITERAL)
def test_the_numbers_of_known_machines(cores: int, memory_mb: int, debian: int) -> None:
    assert numbers(sized(cores, memory_mb, debian)) == LITERAL[cores, memory_mb]


def test_debian_12_brings_the_older_servers_and_their_settings() -> None:
    stack = sized(2, 2048, 12)
    assert (stack.versions.postgresql, stack.versions.pgbouncer, stack.versions.python) == (
        15,
        "1.18",
        "3.11",
    )
    assert stack.paths.data == "/var/lib/postgresql/15/main"
    assert (stack.pooler.web_login, stack.pooler.monitor_login, stack.pooler.peer_maps) == (
        "app",
        "deploy",
        False,
    )
    assert "max_prepared_statements" not in stack.pooler.settings
    assert "auth_ident_file" not in stack.pooler.settings
    assert "transaction_timeout" not in stack.postgres.app_settings


def test_debian_13_brings_the_newer_servers_and_their_settings() -> None:
    stack = sized(2, 2048, 13)
    assert (stack.versions.postgresql, stack.versions.pgbouncer, stack.versions.python) == (
        17,
        "1.24",
        "3.13",
    )
    assert stack.paths.data == "/var/lib/postgresql/17/main"
    assert (stack.pooler.web_login, stack.pooler.monitor_login, stack.pooler.peer_maps) == (
        "app",
        "app_monitor",
        True,
    )
    assert stack.pooler.settings["max_prepared_statements"] == "200"
    assert stack.pooler.settings["auth_ident_file"] == "/etc/stack/pgbouncer/ident.conf"
    assert stack.postgres.app_settings["transaction_timeout"] == "30s"


def test_the_timeouts_follow_from_the_request_timeout() -> None:
    stack = sized(2, 2048, request_timeout=60)
    assert (stack.web.request_timeout, stack.web.queue_timeout, stack.web.graceful_timeout) == (
        60,
        20,
        30,
    )
    assert (stack.postgres.statement_timeout, stack.pooler.query_timeout, stack.apache.timeout) == (
        40,
        50,
        120,
    )
    assert (stack.web.shutdown_timeout, stack.pooler.query_wait_timeout) == (20, 20)
    assert stack.postgres.app_settings["statement_timeout"] == "40s"
    assert stack.pooler.settings["query_timeout"] == "50"
    assert stack.pooler.settings["reserve_pool_timeout"] == "10"


@given(st.integers(6, 3600))
@example(6)
@example(7)
def test_every_request_timeout_gives_a_sound_plan(seconds: int) -> None:
    stack = sized(2, 2048, request_timeout=seconds)
    assert stack.web.request_timeout == seconds
    assert 0 < int(stack.pooler.settings["reserve_pool_timeout"]) < stack.pooler.query_wait_timeout


def test_explicit_sizes_are_taken_and_explained() -> None:
    stack = sized(2, 4096, processes=5, threads=3, pool_size=12, web_hosts=2, direct_connections=10)
    assert (stack.web.processes, stack.web.threads) == (5, 3)
    assert stack.pooler.max_client_conn == 280
    assert (stack.pooler.reserve_pool_size, stack.pooler.max_db_connections) == (3, 15)
    assert stack.postgres.max_connections == 74
    assert stack.arithmetic["web.processes"] == "STACK_PROCESSES=5"
    assert stack.arithmetic["pooler.default_pool_size"] == "STACK_POOL_SIZE=12"
    assert (
        stack.arithmetic["postgres.max_connections"]
        == "60 through the pooler + 10 direct + 1 of the exporter + 3 superuser"
    )


@pytest.mark.parametrize("unknown", ["cores", "memory", "debian"])
def test_what_is_unknown_must_be_set(unknown: str) -> None:
    known = {"cores": 2, "memory": 2048 * MB, "debian": 13}
    with pytest.raises(
        InputError, match=rf"^STACK_{unknown.upper()}: unknown on this machine\. Set it\.$"
    ):
        plan(StackConfig(target="compose"), Hardware(**{**known, unknown: None}))


def test_an_unsupported_release_is_refused() -> None:
    with pytest.raises(InputError, match="STACK_DEBIAN=11: unsupported release"):
        plan(StackConfig(target="compose"), Hardware(cores=2, memory=2048 * MB, debian=11))


@given(cores=CORES, memory_mb=MEMORY_MB, debian=st.sampled_from(DEBIANS))
@example(1, 512, 13)
@example(128, 512, 12)
def test_every_invariant_holds_on_any_hardware(cores: int, memory_mb: int, debian: int) -> None:
    stack = sized(cores, memory_mb, debian)
    assert [rule.arithmetic for rule in invariants.check(stack) if not rule.holds] == []
    assert sum(stack.memory.shares().values()) <= memory_mb * MB
