"""The planner: literal plans, and rules that hold on any hardware."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pgstack.errors import InputError, UnsoundPlan
from pgstack.planning import invariants
from pgstack.planning.config import StackConfig
from pgstack.planning.hardware import Hardware
from pgstack.planning.plan import Plan
from pgstack.planning.sizing import plan

MB = 1024**2

CORES = st.integers(1, 128)
MEMORY_MB = st.integers(512, 2048) | st.integers(512, 1024**2)
MORE_MB = st.integers(0, 64) | st.integers(0, 1024**2)


def sized(
    cores: int,
    memory_mb: int,
    debian: int = 13,
    open_files: int | None = None,
    max_threads: int | None = None,
    **inputs: object,
) -> Plan:
    """The plan of the compose target on this hardware."""
    config = StackConfig.model_validate({"target": "compose", **inputs})
    limits = {"open_files": open_files, "max_threads": max_threads}
    return plan(config, Hardware(cores=cores, memory=memory_mb * MB, debian=debian, **limits))


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
        "max_connections": 19,
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
        "max_connections": 23,
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
        "max_connections": 51,
        "shared_buffers": "8064MB",
        "effective_cache_size": "16384MB",
        "work_mem": "37MB",
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
        "max_connections": 171,
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
        "max_connections": 651,
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


@pytest.mark.parametrize("debian", [12, 13])
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
    assert stack.postgres.max_connections == 73
    assert stack.arithmetic["web.processes"] == "STACK_PROCESSES=5"
    assert stack.arithmetic["pooler.default_pool_size"] == "STACK_POOL_SIZE=12"
    assert (
        stack.arithmetic["postgres.max_connections"]
        == "60 through the pooler + 10 direct + 3 superuser"
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


@given(cores=CORES, memory_mb=MEMORY_MB, debian=st.sampled_from([12, 13]))
@example(1, 480, 13)
@example(128, 512, 12)
def test_every_invariant_holds_on_any_hardware(cores: int, memory_mb: int, debian: int) -> None:
    stack = sized(cores, memory_mb, debian)
    assert [rule.arithmetic for rule in invariants.check(stack) if not rule.holds] == []
    assert sum(stack.memory.shares().values()) <= memory_mb * MB


def capacity(stack: Plan) -> dict[str, int]:
    """Numbers that may only grow with the machine: all but those that divide memory among more."""
    sizes = (
        "shared_buffers",
        "effective_cache_size",
        "maintenance_work_mem",
        "max_wal_size",
        "min_wal_size",
    )
    counts = (
        "max_connections",
        "max_worker_processes",
        "max_parallel_workers",
        "max_parallel_workers_per_gather",
        "autovacuum_max_workers",
    )
    return {
        "processes": stack.web.processes,
        "requests": stack.web.requests,
        "backlog": stack.web.listen_backlog,
        "workers": stack.apache.max_request_workers,
        "pool": stack.pooler.default_pool_size,
        "reserve": stack.pooler.reserve_pool_size,
        "max_db": stack.pooler.max_db_connections,
        "clients": stack.pooler.max_client_conn,
        "warm": int(stack.pooler.settings["min_pool_size"]),
        **{
            name: int(stack.postgres.settings[name].removesuffix("MB"))
            for name in (*sizes, *counts)
        },
        **{f"share of {name}": size for name, size in stack.memory.shares().items()},
    }


def smaller(small: Plan, large: Plan) -> list[str]:
    """Names of the numbers that the larger machine has less of."""
    return [name for name, number in capacity(small).items() if capacity(large)[name] < number]


@given(cores=CORES, more=st.integers(0, 127), memory_mb=MEMORY_MB)
@example(1, 15, 512)
def test_more_cores_never_lower_the_capacity(cores: int, more: int, memory_mb: int) -> None:
    assert smaller(sized(cores, memory_mb), sized(cores + more, memory_mb)) == []


@given(cores=CORES, memory_mb=MEMORY_MB, more=MORE_MB)
@example(16, 704, 64)
@example(16, 704, 80)
def test_more_memory_never_lowers_the_capacity(cores: int, memory_mb: int, more: int) -> None:
    assert smaller(sized(cores, memory_mb), sized(cores, memory_mb + more)) == []


def test_no_single_megabyte_takes_anything_away() -> None:
    plans = [sized(16, memory_mb) for memory_mb in range(480, 1281)]
    assert [
        name for small, large in itertools.pairwise(plans) for name in smaller(small, large)
    ] == []
    assert (plans[0].pooler.default_pool_size, plans[-1].web.processes) == (3, 4)


@given(
    cores=CORES,
    memory_mb=st.integers(64, 16384),
    more_cores=st.integers(0, 64),
    more_mb=MORE_MB,
    processes=st.none() | st.integers(1, 64),
    threads=st.none() | st.integers(1, 64),
    pool_size=st.none() | st.integers(1, 400),
    web_hosts=st.integers(1, 4),
    open_files=st.none() | st.integers(64, 2048),
    max_threads=st.none() | st.integers(64, 20000),
    target=st.sampled_from(["local", "compose", "host"]),
)
def test_what_is_sound_stays_sound_with_more_cores_and_memory(
    cores: int,
    memory_mb: int,
    more_cores: int,
    more_mb: int,
    open_files: int | None,
    max_threads: int | None,
    **inputs: object,
) -> None:
    limits = {"open_files": open_files, "max_threads": max_threads}
    try:
        small = sized(cores, memory_mb, **limits, **inputs)
    except UnsoundPlan:
        return
    large = sized(cores + more_cores, memory_mb + more_mb, **limits, **inputs)
    assert smaller(small, large) == []


def test_memory_that_limits_the_stack_is_named() -> None:
    stack = sized(16, 768)
    assert (stack.cores, stack.web.processes, stack.pooler.default_pool_size) == (16, 2, 5)
    limit = "With 3, 3 processes x 72 MB > 192 MB, a quarter of memory"
    assert stack.arithmetic["web.processes"] == f"one per core, 2 of 16 cores. {limit}"
    assert (
        stack.arithmetic["pooler.default_pool_size"]
        == f"2 x 2 of 16 cores + 1 (PostgreSQL wiki). {limit}"
    )


def test_a_rule_that_limits_the_stack_is_named_with_its_numbers() -> None:
    stack = sized(16, 65536, open_files=320)
    assert (stack.web.processes, stack.pooler.file_descriptors) == (3, 317)
    assert stack.arithmetic["pooler.default_pool_size"] == (
        "2 x 3 of 16 cores + 1 (PostgreSQL wiki). With 4, file descriptors of the pooler: "
        "252 clients + 11 backends + spare = 327 > 320 = hard limit of open files"
    )


@pytest.mark.parametrize(
    ("target", "max_threads", "workers"),
    [
        ("local", 1024, 256),
        ("host", 1024, 256),
        ("compose", 1024, 512),
        ("compose", 16384, 6272),
        ("local", 96365, 6272),
        ("host", 32768, 6272),
    ],
)
def test_apache_takes_half_of_the_threads_two_of_them_where_two_may_run(
    target: str, max_threads: int, workers: int
) -> None:
    stack = sized(8, 32768, max_threads=max_threads, target=target)
    assert stack.apache.max_request_workers == workers
    assert stack.max_threads == max_threads


def test_too_few_threads_for_the_smallest_apache_are_refused_with_what_helps() -> None:
    assert refusal(1, 2048, max_threads=255, target="local") == (
        "unsound plan: threads of Apache: 2 x 64 workers = 128 > 127 = 1/2 of 255 threads that "
        "there may be. Raise the least of pids.max, ulimit -u and kernel.threads-max, or lower "
        "STACK_PROCESSES or STACK_THREADS."
    )
    assert sized(1, 2048, max_threads=256, target="local").apache.max_request_workers == 64


def test_a_machine_whose_cores_all_count_says_so() -> None:
    assert sized(4, 8192).arithmetic["web.processes"] == "one per core, 4 cores"
    assert (
        sized(1, 8192).arithmetic["pooler.default_pool_size"] == "2 x 1 core + 1 (PostgreSQL wiki)"
    )


@given(
    cores=CORES,
    memory_mb=st.integers(64, 16384),
    processes=st.integers(1, 512),
    pool_size=st.integers(1, 2000),
)
def test_explicit_numbers_are_never_changed(
    cores: int, memory_mb: int, processes: int, pool_size: int
) -> None:
    try:
        stack = sized(cores, memory_mb, processes=processes, pool_size=pool_size)
    except UnsoundPlan as error:
        web_mb = int(re.findall(r"(\d+) web", str(error))[0])
    else:
        assert stack.pooler.default_pool_size == pool_size
        web_mb = stack.memory.web // MB
    assert web_mb == processes * (68 + {1: 8}.get(processes, 4))


def test_explicit_processes_may_take_more_than_a_quarter_of_memory() -> None:
    stack = sized(8, 2048, processes=10)
    assert (stack.web.processes, stack.memory.web // MB, stack.pooler.default_pool_size) == (
        10,
        720,
        17,
    )


def test_explicit_processes_that_do_not_fit_are_refused_with_the_arithmetic() -> None:
    assert "96 system + 720 web + 84 apache" in refusal(2, 512, processes=10)


def test_the_largest_inputs_leave_apache_a_worker_for_every_request() -> None:
    stack = sized(128, 1024**2, processes=512, threads=64)
    assert (stack.web.requests, stack.apache.max_request_workers, stack.apache.server_limit) == (
        32768,
        137224,
        34,
    )


def refusal(cores: int, memory_mb: int, **inputs: object) -> str:
    """The message with which a plan is refused."""
    with pytest.raises(UnsoundPlan) as caught:
        sized(cores, memory_mb, **inputs)  # type: ignore[arg-type]
    return str(caught.value)


def test_a_refusal_carries_its_arithmetic() -> None:
    assert (
        "memory in MB: 80 system + 76 web + 34 apache + 10 pooler + 26 postgres + 32 "
        "shared_buffers + 76 backends "
        "+ 19 work + 32 maintenance = 385 > 256 = memory."
    ) in refusal(1, 256)


def test_a_refusal_names_an_amount_of_memory_that_works() -> None:
    assert refusal(1, 256).endswith("STACK_MEMORY=448m is enough; it counts in steps of 16 MB.")
    assert sized(1, 463).memory.total == 448 * MB
    assert "> 432 = memory" in refusal(1, 447)


@given(
    cores=CORES,
    memory_mb=st.integers(1, 6000),
    debian=st.sampled_from([12, 13]),
    processes=st.none() | st.integers(1, 512),
    pool_size=st.none() | st.integers(1, 2000),
)
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
