"""How large a stack is made: what grows with the machine, what limits it, what is refused."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fixtures.releases import DEBIANS
from fixtures.sized import CORES, MB, MEMORY_MB, MORE_MB, sized
from pgstack.errors import UnsoundPlan
from pgstack.planning.plan import Plan


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
    plans = [sized(16, memory_mb) for memory_mb in range(512, 1281)]
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
    limit = (
        "With 3, memory in MB: 112 system + 216 web + 82 apache + 10 pooler + 30 postgres + 96 "
        "shared_buffers + 116 backends + 48 work + 48 maintenance + 40 metrics + 0 observability = 798 > 768 = "
        "memory; 3 processes x 72 MB > 192 MB, a quarter of memory"
    )
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
        15,
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
        "shared_buffers + 80 backends "
        "+ 20 work + 32 maintenance + 40 metrics + 0 observability = 430 > 256 = memory."
    ) in refusal(1, 256)


def test_a_refusal_names_an_amount_of_memory_that_works() -> None:
    assert refusal(1, 256).endswith("STACK_MEMORY=512m is enough; it counts in steps of 16 MB.")
    assert sized(1, 527).memory.total == 512 * MB
    assert "> 496 = memory" in refusal(1, 511)
    assert sized(1, 463, observability="off").memory.total == 448 * MB


@given(
    cores=CORES,
    memory_mb=st.integers(1, 6000),
    debian=st.sampled_from(DEBIANS),
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
