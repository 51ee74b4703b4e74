"""A plan divided into pods (the example for Kubernetes)."""

from __future__ import annotations

from typing import Any

import pytest

from pgstack.errors import InputError
from pgstack.planning import config, sizing
from pgstack.planning.config import StackConfig
from pgstack.planning.hardware import Hardware
from pgstack.planning.plan import Plan
from pgstack.rendering import pods

MB, GB = 1024**2, 1024**3
SIZES = [(1, GB), (2, 4 * GB), (16, 2 * GB), (32, 128 * GB)]


def plan(cores: int = 2, memory: int = 4 * GB, **inputs: Any) -> Plan:
    given = {"target": "compose", "address": "*", "web_hosts": 2, **inputs}
    return sizing.plan(StackConfig(**given), Hardware(cores, memory, 13, 65536))


def in_pod(whole: Plan) -> Plan:
    """What the planner in a web pod makes of its inputs."""
    chosen = config.load(pods.divided(whole).inputs)
    return sizing.plan(chosen, Hardware(chosen.cores, chosen.memory, 13, 65536))


@pytest.mark.parametrize(("cores", "memory"), SIZES)
def test_a_web_pod_plans_the_numbers_of_the_whole(cores: int, memory: int) -> None:
    whole = plan(cores, memory)
    pod = in_pod(whole)
    for name in ("processes", "threads", "hosts", "request_timeout", "memory_per_process"):
        assert getattr(pod.web, name) == getattr(whole.web, name)
    for name in ("default_pool_size", "max_db_connections", "instances", "query_wait_timeout"):
        assert getattr(pod.pooler, name) == getattr(whole.pooler, name)
    assert pod.pooler.settings["pool_mode"] == "transaction"
    assert pod.services == ("pgbouncer", "apache")


@pytest.mark.parametrize(("cores", "memory"), SIZES)
def test_pods_have_the_memory_of_the_plan_between_them(cores: int, memory: int) -> None:
    whole = plan(cores, memory)
    divided = pods.divided(whole)
    parts = (divided.web_memory, divided.pooler_memory, divided.database_memory)
    assert sum(parts) == memory // MB
    shares = whole.memory
    database = shares.postgres + shares.shared_buffers + shares.backends + shares.work
    assert divided.database_memory * MB >= database + shares.maintenance
    pod = in_pod(whole).memory
    assert sum(pod.shares().values()) <= pod.total
    assert divided.web_memory * MB >= pod.web + pod.apache


def test_postgresql_takes_the_connections_of_all_pods_and_of_the_operator() -> None:
    """As many as the plan says, and ten."""
    whole = plan()
    assert (whole.postgres.max_connections, whole.pooler.instances) == (38, 4)
    assert pods.divided(whole).parameters["max_connections"] == "48"


def test_settings_that_the_operator_keeps_are_left_to_it() -> None:
    parameters = pods.divided(plan()).parameters
    assert parameters["shared_buffers"] == "896MB"
    assert parameters["pg_stat_statements.max"] == "2000"
    assert not {"listen_addresses", "hba_file", "ssl", "shared_preload_libraries"} & set(parameters)


def test_a_pod_has_time_to_end() -> None:
    """5 s until nobody is sent to it, 6 s for kept connections, 30 s for Apache, 10 s for Python."""
    divided = pods.divided(plan())
    assert (divided.drain_seconds, divided.termination) == (11, 51)
    assert divided.drain == "/run/stack/apache/drain"


def test_a_busy_pod_is_not_a_dead_one() -> None:
    divided = pods.divided(plan(request_timeout=45))
    assert divided.liveness * divided.liveness_looks >= 90
    assert divided.answer == 17


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"workers": "mail=sleep 1"}, "STACK_WORKERS"),
        ({"lanes": "slow=/slow"}, "STACK_LANES"),
        ({"valkey": "on", "web_hosts": 1}, "STACK_VALKEY"),
        ({"replicas": "read"}, "STACK_REPLICAS"),
        ({"extensions": "pg_trgm"}, "STACK_EXTENSIONS"),
        ({"locale": "icu:de-DE"}, "STACK_LOCALE=icu:de-DE"),
        ({"tls": "self-signed"}, "STACK_TLS=self-signed (an ingress ends TLS: STACK_PROXY=on)"),
    ],
)
def test_what_the_example_does_not_have_is_refused(inputs: dict[str, str], said: str) -> None:
    with pytest.raises(InputError) as told:
        pods.divided(plan(**inputs))
    assert str(told.value).startswith(f"{said}: the example for Kubernetes does not have that.")
