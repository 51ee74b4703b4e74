"""Several PgBouncers in the plan: how many, what each has of the pool, and who uses which."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.host_plan import MEMBERS
from pgstack import settings
from pgstack.errors import InputError, UnsoundPlan
from pgstack.planning import config, invariants, lanes, layout, services, slots
from pgstack.planning.config import StackConfig
from pgstack.planning.hardware import Hardware
from pgstack.planning.plan import Plan
from pgstack.planning.sizing import plan, pooler_split
from pgstack.rendering import templates

GB = 1024**3
CLUSTER = {
    "target": "cluster",
    "members": ", ".join(f"{name}:{address}" for name, address in MEMBERS.items()),
    "database_host": MEMBERS["db1"],
    "web_hosts": 2,
    "debian": 13,
}
"""of a web host"""


def planned(cores: int = 2, gigabytes: int = 4, debian: int = 12, **inputs: Any) -> Plan:
    here = Hardware(cores=cores, memory=gigabytes * GB, debian=debian)
    return plan(StackConfig.model_validate(inputs), here)


def part(stack: Plan, name: str) -> list[int]:
    return [int(each.settings[name]) for each in stack.pooler.processes]


LITERAL = {
    2: (1, [5], [2], 17),
    4: (1, [9], [2], 21),
    8: (1, [17], [4], 31),
    16: (2, [17, 16], [4, 4], 51),
    32: (3, [22, 22, 21], [6, 5, 5], 91),
    64: (6, [22] * 3 + [21] * 3, [6] * 2 + [5] * 4, 171),
    128: (12, [22] * 5 + [21] * 7, [6] * 4 + [5] * 8, 331),
}
"""cores: PgBouncers, pool and reserve of each, max_connections of PostgreSQL"""


@pytest.mark.parametrize("cores", LITERAL)
def test_the_poolers_of_known_machines(cores: int) -> None:
    stack = planned(cores, 4 * cores)
    assert (
        len(stack.pooler.processes),
        part(stack, "default_pool_size"),
        part(stack, "reserve_pool_size"),
        stack.postgres.max_connections,
    ) == LITERAL[cores]
    assert [rule for rule in invariants.check(stack) if not rule.holds] == []


@pytest.mark.parametrize("target", ["local", "host"])
@given(cores=st.integers(1, 128), poolers=st.integers(1, 12), pool=st.integers(24, 400))
def test_parts_add_up_to_what_one_would_have(
    target: str, cores: int, poolers: int, pool: int
) -> None:
    inputs = {"target": target, "pool_size": pool, "processes": max(cores, poolers)}
    single = planned(cores, 512, poolers=1, **inputs)
    several = planned(cores, 512, poolers=poolers, **inputs)
    assert len(several.pooler.processes) == poolers
    for name in pooler_split.SPLIT:
        assert sum(part(several, name)) == int(single.pooler.settings[name])
        assert max(part(several, name)) - min(part(several, name)) <= 2
    assert several.pooled_connections == single.pooled_connections
    assert several.postgres.max_connections == single.postgres.max_connections
    for each in several.pooler.processes:
        sizes = {name: int(each.settings[name]) for name in pooler_split.SPLIT}
        assert sizes["max_db_connections"] == (
            sizes["default_pool_size"] + sizes["reserve_pool_size"]
        )
        assert int(each.settings["min_pool_size"]) <= sizes["default_pool_size"]


def test_the_reason_is_told() -> None:
    assert planned(32, 128).arithmetic["pooler.further"] == (
        "3 PgBouncers: 32 processes x 29 us of a pooler / (531 us of Python x 60 %), rounded up"
    )
    assert "pooler.further" not in planned().arithmetic
    assert planned(poolers=2).arithmetic["pooler.further"] == "STACK_POOLERS=2"


def test_more_memory_is_planned_for_them() -> None:
    assert planned(poolers=2).memory.pooler - planned().memory.pooler == 8 * 1024**2


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        (
            {"poolers": 3},
            "3 > 2 web processes, each of which uses one PgBouncer. Lower STACK_POOLERS, or raise",
        ),
        (
            {"poolers": 3, "processes": 4},
            "3 x 2 backends = 6 > 5 in the pool. Lower STACK_POOLERS, or raise STACK_POOL_SIZE.",
        ),
    ],
)
def test_more_than_there_is_for_them_is_refused_with_the_sum(
    inputs: dict[str, Any], said: str
) -> None:
    with pytest.raises(UnsoundPlan) as refusal:
        planned(**inputs)
    assert str(refusal.value).startswith(f"unsound plan: STACK_POOLERS={said}")


def test_compose_has_one_and_says_so() -> None:
    with pytest.raises(InputError, match="STACK_POOLERS=2: the target compose has one PgBouncer"):
        config.load({"STACK_TARGET": "compose", "STACK_POOLERS": "2"})
    stack = planned(32, 128, target="compose")
    assert stack.pooler.further == ()
    assert stack.arithmetic["pooler.further"].startswith("one, where 3 are wanted: compose has one")


@pytest.mark.parametrize(
    "inputs", [CLUSTER, {"target": "host", "database_host": "db.example", "web_hosts": 2}]
)
def test_web_hosts_apart_have_as_many_and_the_database_host_grants_no_more(
    inputs: dict[str, Any],
) -> None:
    several, single = (planned(32, 128, **inputs, poolers=number) for number in (None, 1))
    assert part(several, "default_pool_size") == [22, 22, 21]
    assert len(single.pooler.processes) == 1
    assert several.pooler.instances == 4
    assert several.pooled_connections == single.pooled_connections == 4 * (65 + 16)
    database = inputs | {"web_addresses": "10.0.0.0/24"}
    granted = [planned(32, 128, **database, poolers=number) for number in (None, 1)]
    assert len({each.postgres.max_connections for each in granted}) == 1


def test_a_host_has_as_many_as_its_processes_need() -> None:
    assert len(planned(32, 128, target="host").pooler.processes) == 3
    assert len(planned(4, 16, target="host").pooler.processes) == 1
    assert len(planned(32, 128, target="host", poolers=2).pooler.processes) == 2


def rendered(stack: Plan) -> dict[str, str]:
    return {
        str(file.path.relative_to(stack.paths.conf)): file.text
        for file in templates.files(stack)
        if "pgbouncer" in file.path.name and file.path.is_relative_to(stack.paths.conf)
    }


def test_the_first_has_the_pools_of_lanes_and_workers() -> None:
    inputs = {"lanes": "slow=/slow", "workers": "mail=a"}
    files = rendered(planned(poolers=2, **inputs))
    assert set(files) == {"pgbouncer/pgbouncer.ini", "pgbouncer/pgbouncer-2.ini"}
    first, second = files["pgbouncer/pgbouncer.ini"], files["pgbouncer/pgbouncer-2.ini"]
    assert "\napp_lane_slow = " in first
    assert "\napp_lane_slow = " not in second
    assert "app_background" not in second
    assert "\napp = " in second
    assert "listen_port = 6432\n" in first
    assert "listen_port = 6433\n" in second


def test_with_one_nothing_is_rendered_that_was_not() -> None:
    assert rendered(planned(poolers=1)) == rendered(planned())
    assert set(rendered(planned())) == {"pgbouncer/pgbouncer.ini"}


def test_in_a_cluster_all_are_led_and_the_first_has_the_pools_of_lanes_and_workers() -> None:
    inputs = {"lanes": "slow=/slow", "workers": "mail=a", "replicas": "read"}
    stack = planned(poolers=2, **CLUSTER, **inputs)
    assert [part(stack, name) for name in pooler_split.SPLIT] == [[3, 2], [1, 1], [4, 3]]
    files = rendered(stack)
    first, second = files["pgbouncer/pgbouncer.ini"], files["pgbouncer/pgbouncer-2.ini"]
    assert "%include /run/stack/primary/databases.ini\n" in first
    assert "%include /run/stack/primary/further.ini\n" in second
    assert all("%include /run/stack/primary/replicas.ini\n" in each for each in (first, second))
    texts = {file.path.name: file.text for file in templates.files(stack)}
    for number, address in enumerate(MEMBERS.values(), 1):
        of_first, of_others = texts[f"primary-{number}.ini"], texts[f"further-{number}.ini"]
        assert f"\napp = host={address} " in of_first
        assert f"\napp = host={address} " in of_others
        assert "\napp_lane_slow = " in of_first
        assert "\napp_background = " in of_first
        assert ("app_lane" in of_others, "app_background" in of_others) == (False, False)
    assert "until [ -e /run/stack/primary/further.ini ]" in texts["stack-pgbouncer-2@.service"]
    assert "Before=stack-pgbouncer-2@a.service" in texts["stack-follower.service"]


def test_a_cluster_with_one_has_no_file_for_further_ones() -> None:
    assert "further-1.ini" not in {file.path.name for file in templates.files(planned(**CLUSTER))}


def test_each_is_a_server_of_its_own() -> None:
    names = list(services.servers(planned(poolers=2)))
    assert names == ["postgres", "pgbouncer", "pgbouncer-2", "apache"]
    told = ["guard", "apache", "pgbouncer-10", "pgbouncer-2", "postgres", "pgbouncer", "work-a"]
    assert services.in_order(told) == [
        *("postgres", "pgbouncer", "pgbouncer-2", "pgbouncer-10", "apache"),
    ]


def test_units_of_a_host() -> None:
    stack = planned(poolers=2, target="host", debian=13)
    units = services.lasting_units(stack)
    assert [name for name in units if "pgbouncer" in name] == [
        *("stack-pgbouncer@.service", "stack-pgbouncer-2@.service"),
    ]
    text = next(
        file.text
        for file in templates.files(stack)
        if file.path.name == "stack-pgbouncer-2@.service"
    )
    assert "ExecStart=/usr/sbin/pgbouncer /etc/stack/pgbouncer/pgbouncer-2.ini\n" in text
    assert "RuntimeDirectoryPreserve=restart\n" in text


@pytest.fixture
def web_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mod_wsgi", SimpleNamespace(process_group=lanes.MAIN))
    slots.own.cache_clear()


def bound(stack: Plan, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(settings, "current_plan", lambda: stack)
    return str(settings.databases()["default"]["PORT"])


@pytest.mark.usefixtures("web_process")
def test_a_web_process_is_bound_to_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "own", lambda _, groups: groups - 1)
    stack = planned(poolers=2)
    assert bound(stack, monkeypatch) == "6433"
    assert bound(planned(), monkeypatch) == "6432"


def test_whatever_else_there_is_uses_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "own", lambda _, groups: groups - 1)
    stack = planned(poolers=2, lanes="slow=/slow")
    assert bound(stack, monkeypatch) == "6432"
    monkeypatch.setitem(sys.modules, "mod_wsgi", SimpleNamespace(process_group="lane-slow"))
    assert bound(stack, monkeypatch) == "6432"
    assert layout.own_port(stack) == 6432
