"""The alias `replica` in the plan: a pool, what it takes from the rest, and where it leads."""

from __future__ import annotations

from typing import Any

import pytest

from fixtures.host_plan import MEMBERS
from pgstack import settings
from pgstack.errors import InputError
from pgstack.planning import config, invariants
from pgstack.planning.config import StackConfig
from pgstack.planning.hardware import Hardware
from pgstack.planning.plan import Plan
from pgstack.planning.sizing import plan
from pgstack.rendering import templates
from pgstack.targets.host import inventory

GB = 1024**3
SMALL = {"cores": 2, "memory": 4 * GB, "debian": 13, "open_files": 65536}
GROUPS = {"database": [*MEMBERS], "web": ["web1"]}
READ_ONLY = "SET default_transaction_read_only TO ''on''"


def planned(replicas: str = "read", debian: int = 13, **inputs: Any) -> Plan:
    here = Hardware(cores=2, memory=4 * GB, debian=debian)
    return plan(StackConfig.model_validate({"replicas": replicas, **inputs}), here)


def member(host: str, **more: Any) -> Plan:
    """Of a cluster."""
    inputs = {"members": MEMBERS, "web_addresses": ["10.0.0.11"], "hosts": ["a.example"], **more}
    first = inventory.of_host(inputs, "db1", GROUPS)
    mine = inventory.of_host(inputs, host, GROUPS)
    if host == "db1":
        return Plan.model_validate(inventory.plan(mine, SMALL))
    return Plan.model_validate(inventory.plan(mine, SMALL, first, SMALL))


def text(stack: Plan, name: str) -> str:
    return next(file.text for file in templates.files(stack) if file.path.name == name)


def names(stack: Plan) -> set[str]:
    return {file.path.name for file in templates.files(stack)}


def test_without_it_nothing_is_planned() -> None:
    stack = planned("off")
    assert stack.replicas is None
    rendered = text(stack, "pgbouncer.ini") + text(stack, "hba.conf") + text(stack, "ident.conf")
    assert "replica" not in rendered
    cluster = member("web1")
    assert "replica-1.ini" not in names(cluster)
    assert "replicas.ini" not in text(cluster, "pgbouncer.ini")
    assert "hot_standby_feedback" not in member("db1").postgres.settings


def test_its_pool_and_its_clients_are_counted() -> None:
    stack, before = planned(), planned("off")
    assert stack.replicas is not None
    assert stack.replicas.pool_size == before.pooler.default_pool_size == 5
    assert stack.postgres.max_connections == before.postgres.max_connections + 5
    assert stack.pooler.max_client_conn == before.pooler.max_client_conn + 2 * 8
    assert stack.memory.backends > before.memory.backends
    rules = {rule.name: rule for rule in invariants.check(stack)}
    assert "5 of reads" in rules["backends of PostgreSQL"].arithmetic
    assert all(rule.holds for rule in rules.values())


def test_any_member_can_have_all_reads() -> None:
    """The one that leads, too, when no standby is near."""
    for host in MEMBERS:
        more = member(host, replicas="read").postgres.max_connections
        assert more == member(host).postgres.max_connections + 2 * 5


def test_on_one_host_it_leads_to_the_primary_and_takes_no_writes() -> None:
    entries = [line for line in text(planned(), "pgbouncer.ini").splitlines() if "dbname" in line]
    own, reads = entries
    assert own.startswith("app = host=")
    assert reads.startswith("app_replica = host=")
    assert (READ_ONLY in own, READ_ONLY in reads) == (False, True)
    assert "user=app reserve_pool_size=0 timezone=" in reads


def test_in_a_cluster_a_file_leads_to_each_member() -> None:
    web = member("web1", replicas="read")
    assert "%include /run/stack/primary/replicas.ini" in text(web, "pgbouncer.ini")
    for number, address in enumerate(MEMBERS.values(), 1):
        reads = text(web, f"replica-{number}.ini")
        assert f"\napp_replica = host={address} port=5432 dbname=app user=app reserve" in reads
        assert READ_ONLY in reads
        assert "app_replica" not in text(web, f"primary-{number}.ini")


def test_a_standby_waits_for_a_query_no_longer_than_it_may_be_behind() -> None:
    for host in MEMBERS:
        own = member(host, replicas="read").postgres.settings
        assert own["hot_standby_feedback"] == "on"
        assert own["max_standby_streaming_delay"] == own["max_standby_archive_delay"] == "3000ms"


def test_who_wrote_reads_from_the_primary_until_reads_lead_nowhere_that_lacks_it() -> None:
    rules = {rule.name: rule for rule in invariants.check(member("web1", replicas="read"))}
    rule = rules["timeouts of reads from standbys in s"]
    assert rule.holds
    assert rule.arithmetic == (
        "look at standbys 1.4 < their lag 3 < and reads lead elsewhere 8.4 < a visitor who wrote 10"
    )


@pytest.mark.parametrize(("debian", "maps"), [(13, True), (12, False)])
def test_pages_and_workers_may_log_in(debian: int, maps: bool) -> None:
    stack = planned(debian=debian, workers="tick=python tick.py", account="somebody")
    lines = [line for line in text(stack, "hba.conf").splitlines() if "app_replica" in line]
    if maps:
        assert lines == ["local app_replica app,app_monitor peer map=reads"]
        mapped = text(stack, "ident.conf")
        for identity in (*stack.pooler.identities, *stack.pooler.task_identities):
            assert f"\nreads {identity.account} {identity.role}" in mapped
    else:
        assert len(lines) == len({*stack.pooler.identities, *stack.pooler.task_identities})


def test_the_alias_is_there_for_django(monkeypatch: pytest.MonkeyPatch) -> None:
    stack = planned()
    monkeypatch.setattr(settings, "current_plan", lambda: stack)
    aliases = settings.databases()
    replica = aliases["replica"]
    assert (replica["NAME"], replica["OTHERWISE"]) == ("app_replica", "app")
    assert [replica[name] == aliases["default"][name] for name in ("HOST", "PORT")] == [True, True]
    assert replica["OPTIONS"]["application_name"] == "replica"
    assert replica["TEST"] == {"MIRROR": "default"}
    assert settings.database_routers() == ["pgstack.db.router.ReplicaRouter"]
    monkeypatch.setattr(settings, "current_plan", lambda: planned("off"))
    assert "replica" not in settings.databases()
    assert settings.database_routers() == []


def test_a_misspelt_word_is_refused() -> None:
    with pytest.raises(InputError, match="STACK_REPLICAS"):
        config.load({"STACK_REPLICAS": "on"})


def test_each_of_several_poolers_has_a_part_of_it() -> None:
    """Its pool is no larger than that of pages, whose parts add up."""
    stack = planned(poolers=2)
    assert [each.settings["default_pool_size"] for each in stack.pooler.processes] == ["3", "2"]
    assert stack.postgres.max_connections == planned().postgres.max_connections
    for name in ("pgbouncer.ini", "pgbouncer-2.ini"):
        assert "\napp_replica = host=" in text(stack, name)


def test_lanes_share_it() -> None:
    stack = planned(lanes="slow=/slow")
    assert stack.page_databases == ("app", "app_lane_slow", "app_replica")
