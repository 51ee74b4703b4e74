"""A cluster of three database hosts: inputs, plans and files of its hosts."""

from __future__ import annotations

from typing import Any

import pytest

from fixtures.host_plan import BUCKET, MEMBERS
from pgstack.errors import InputError
from pgstack.ops.major import Rehearsal
from pgstack.planning import cluster_order, invariants
from pgstack.planning.plan import Plan
from pgstack.rendering import templates
from pgstack.targets.host import inventory, servers

GB = 1024**3
INPUTS: dict[str, Any] = {
    "members": MEMBERS,
    "web_addresses": ["10.0.0.11"],
    "hosts": ["shop.example"],
}
GROUPS = {"database": [*MEMBERS], "web": ["web1", "web2"]}
SMALL, LARGE = (
    {"cores": cores, "memory": cores * 2 * GB, "debian": 13, "open_files": 65536}
    for cores in (2, 16)
)


def planned(host: str, machine: dict[str, Any] = SMALL, inputs: dict[str, Any] = INPUTS) -> Plan:
    """The plan of one host; the first database host is a small one."""
    mine = inventory.of_host(inputs, host, GROUPS)
    if host == "db1":
        return Plan.model_validate(inventory.plan(mine, machine))
    first = inventory.of_host(inputs, "db1", GROUPS)
    return Plan.model_validate(inventory.plan(mine, machine, first, SMALL))


def text(plan: Plan, name: str) -> str:
    """Text of one rendered file."""
    return next(file.text for file in templates.files(plan) if file.path.name == name)


def test_groups_say_which_servers_a_host_runs() -> None:
    assert planned("db2").services == (
        "etcd",
        "postgres",
        "patroni",
        "metrics",
        "host",
        "firewall",
    )
    assert planned("web1").services == (
        "follower",
        "pgbouncer",
        "apache",
        "metrics",
        "host",
        "firewall",
    )


def test_connections_are_for_all_poolers_that_take_over_and_for_patroni() -> None:
    plan = planned("db1")
    # 5 + 2 of each of 2 PgBouncers on each of 2 web hosts, 6 past them, 1 of the exporter, 3 of
    # Patroni, 3 for the administrator.
    assert plan.postgres.max_connections == 7 * 4 + 6 + 1 + 3 + 3
    assert plan.arithmetic["postgres.max_connections"] == (
        "28 through the pooler + 6 direct + 1 of the exporter + 3 of Patroni + 3 superuser"
    )


def test_a_member_has_its_packages_and_neither_etcd_nor_patroni_starts_by_itself() -> None:
    member = servers.needed(planned("db1").model_dump(mode="json"))
    assert {"etcd-server", "etcd-client", "patroni", "postgresql-17"} <= {*member["packages"]}
    assert {"pgbouncer", "apache2-bin"}.isdisjoint(member["packages"])
    assert member["masked"] == ["etcd.service", "patroni.service"]


def test_members_of_different_size_agree_on_what_must_be_the_same() -> None:
    first, large = planned("db1"), planned("db2", LARGE)
    assert first.cluster is not None
    assert large.cluster is not None
    assert large.cluster.shared == first.cluster.shared
    for name in ("max_connections", "max_worker_processes"):
        assert large.postgres.settings[name] == first.postgres.settings[name]
    assert large.postgres.settings["shared_buffers"] != first.postgres.settings["shared_buffers"]


@pytest.mark.parametrize(
    ("members", "databases"),
    [
        ({"db1": "10.0.0.21"}, ["db1"]),
        ({}, ["db1", "db2"]),
        ({}, ["db1", "db2", "db3"]),
        ({"db1": "10.0.0.21", "db2": "10.0.0.22"}, ["db1", "db2"]),
        (MEMBERS | {"db4": "10.0.0.24"}, ["db1", "db2", "db3", "db4"]),
        (MEMBERS, ["db3", "db2", "db1"]),
    ],
)
def test_anything_but_three_database_hosts_is_refused(
    members: dict[str, str], databases: list[str]
) -> None:
    groups = {"database": databases, "web": ["web1"]}
    with pytest.raises(InputError, match="a cluster has 3 hosts in the group database"):
        inventory.of_host({**INPUTS, "members": members}, "db1", groups)


def test_two_members_with_one_address_are_refused() -> None:
    inputs = {**INPUTS, "members": MEMBERS | {"db3": "10.0.0.22"}}
    with pytest.raises(InputError, match="2 database hosts; a cluster has 3"):
        planned("db1", inputs=inputs)


def test_a_patroni_that_lost_writes_is_refused_with_the_reason() -> None:
    with pytest.raises(InputError, match=r"Debian 12 has Patroni 3\.0, which lost acknowledged"):
        planned("db1", {**SMALL, "debian": 12})


def test_backups_in_a_directory_of_one_member_are_refused() -> None:
    with pytest.raises(InputError, match="STACK_BACKUP=local: a directory of one member is not"):
        planned("db1", inputs={**INPUTS, "backup": "local"})


def test_all_members_archive_to_a_repository_that_all_reach_and_the_leader_makes_backups() -> None:
    for member in MEMBERS:
        plan = planned(member, inputs={**INPUTS, **BUCKET})
        command = plan.postgres.settings["archive_command"]
        assert command.startswith("pgbackrest --stanza=stack archive-push %p || ")
        condition = "ExecCondition=/usr/local/sbin/stackctl leads\n"
        assert condition in text(plan, "stack-backup@.service")
        assert condition in text(plan, "stack-drill.service")
        assert "repo1-s3-bucket=shop\n" in text(plan, "pgbackrest.conf")
    assert planned("db1").backup is None


def test_web_hosts_of_a_cluster_keep_their_files_where_the_members_keep_rows() -> None:
    web = planned("web1", inputs={**INPUTS, **BUCKET})
    assert web.backup is None
    assert web.file_backup is not None
    assert web.file_backup.repository.endswith("/shop/var/lib/pgbackrest-files-web1")
    assert "OnCalendar=*-*-* 03:00:00 UTC\n" in text(web, "stack-files.timer")
    assert planned("db1", inputs={**INPUTS, **BUCKET}).file_backup is None
    assert planned("web1").file_backup is None


def test_timeouts_of_who_follows_are_a_chain() -> None:
    rules = {rule.name: rule for rule in cluster_order.check(planned("web1"))}
    assert all(rule.holds for rule in rules.values())
    assert rules["timeouts of who follows the primary in s"].arithmetic == (
        "look at members 0.2 < their answer 0.6 < held back before a switchover 1 < "
        "their silence 1.5 < server_connect_timeout 2 < lost host 5 < held back 9 < query_wait_timeout 10 < "
        "request-timeout 30"
    )
    assert rules["lease of the leader in s"].arithmetic == (
        "2 loop_wait + 2 x 3 retry_timeout = 8 ≤ 20 = ttl"
    )


def test_a_request_timeout_that_leaves_no_time_to_hold_is_refused() -> None:
    with pytest.raises(InputError, match="timeouts of who follows the primary"):
        planned("web1", inputs={**INPUTS, "request_timeout": 12})


def test_one_host_has_no_inequality_of_a_cluster() -> None:
    plan = Plan.model_validate(inventory.plan({"hosts": ["shop.example"]}, SMALL))
    assert [*cluster_order.check(plan)] == []
    assert not [rule for rule in invariants.check(plan) if not rule.holds]


def test_postgresql_lets_members_replicate_with_a_password_over_tls() -> None:
    assert text(planned("db2"), "pg_hba.conf").splitlines()[1:] == [
        "local all postgres peer map=stack",
        "# For the copy that a major upgrade is made of.",
        "local replication postgres peer map=stack",
        "local app app_monitor peer map=stack",
        "local replication stack_replication peer map=stack",
        *(
            line
            for address in MEMBERS.values()
            for line in (
                f"hostssl replication stack_replication {address}/32 scram-sha-256",
                f"hostssl postgres stack_rewind {address}/32 scram-sha-256",
            )
        ),
        "hostssl app app,app_owner,app_monitor 10.0.0.11/32 scram-sha-256",
        "local all all reject",
    ]


def test_the_firewall_lets_members_in_at_their_ports_and_web_hosts_at_two() -> None:
    rules = text(planned("db2"), "nftables.conf")
    members = "ip saddr {10.0.0.21, 10.0.0.23} tcp dport {5432, 8008, 2379, 2380} accept"
    assert members in rules
    assert "ip saddr 10.0.0.11/32 tcp dport 8008 accept" in rules
    assert "2379" not in rules.replace(members, "")
    assert "8008" not in text(planned("web1"), "nftables.conf")


def test_pgbouncer_reads_one_of_three_files_by_a_link() -> None:
    web = planned("web1")
    assert "%include /run/stack/primary/databases.ini\n" in text(web, "pgbouncer.ini")
    for number, address in enumerate(MEMBERS.values(), 1):
        assert f"\napp = host={address} port=5432" in text(web, f"primary-{number}.ini")


def test_who_goes_past_the_pooler_asks_for_the_primary() -> None:
    web = planned("web1")
    assert web.postgres.host == "10.0.0.21,10.0.0.22,10.0.0.23"
    assert web.postgres.connection["target_session_attrs"] == "read-write"
    assert web.postgres.connection["sslmode"] == "verify-full"


def test_who_goes_past_the_pooler_waits_for_no_host_that_is_lost() -> None:
    asked = planned("web1").postgres.connection
    assert (asked["connect_timeout"], asked["tcp_user_timeout"]) == ("5", "20000")
    idle, interval, count = (
        int(asked[f"keepalives_{name}"]) for name in ("idle", "interval", "count")
    )
    assert idle + interval * count == 20


def test_no_password_is_in_what_patroni_reads_from_the_plan() -> None:
    assert "password:" not in text(planned("db1"), "patroni.yml")


def test_a_lost_host_is_replaced_before_requests_are_let_go_on() -> None:
    inputs = {**INPUTS, "failover": "silence"}
    assert "silence" in planned("db2", inputs=inputs).services
    assert "silence" not in planned("web1", inputs=inputs).services
    assert planned("db2").cluster.silence is None
    rules = {rule.name: rule for rule in cluster_order.check(planned("web1", inputs=inputs))}
    assert all(rule.holds for rule in rules.values())
    assert rules["timeouts of a lost host in s"].arithmetic == (
        "answer of a lost host 0.8 < silence for who follows 1.5 < etcd election 2 < "
        "silence for members 3 < and their last look 4.6 < and another leads 7.6 < held back 9 < ttl 20"
    )
    assert rules["timeouts of a vote in s"].arithmetic == "two looks 4.2 < vote 5"


def test_a_watchdog_is_all_that_patroni_may_open() -> None:
    plan = planned("db1", inputs={**INPUTS, "watchdog": "required"})
    assert 'mode: "required"' in text(plan, "patroni.yml")
    unit = text(plan, "stack-patroni.service")
    assert "PrivateDevices" not in unit
    assert "DevicePolicy=closed\nDeviceAllow=/dev/watchdog rw\n" in unit
    assert "PrivateDevices=yes" in text(planned("db1"), "stack-patroni.service")


def test_a_watchdog_without_a_cluster_is_refused() -> None:
    with pytest.raises(InputError, match="STACK_WATCHDOG=required needs STACK_MEMBERS"):
        inventory.plan({"hosts": ["shop.example"], "watchdog": "required"}, SMALL)


def test_a_failover_without_a_cluster_is_refused() -> None:
    with pytest.raises(InputError, match="STACK_FAILOVER=silence needs STACK_MEMBERS"):
        inventory.plan({"hosts": ["shop.example"], "failover": "silence"}, SMALL)


def test_patroni_leaves_the_slot_of_an_upgrade_alone() -> None:
    cluster = planned("db2").cluster
    assert cluster is not None
    assert cluster.shared["ignore_slots"] == [{"name": "stack_upgrade", "type": "physical"}]


def test_a_hold_is_refused_with_the_longest_request_timeout_that_a_cluster_takes() -> None:
    took = Rehearsal(0.0, 15, 17, {"pg_upgrade": 20.0}, 1, 1, stop=3.0, switch=6.0)
    refused = took.refusal(planned("db2"))
    assert "29.0 s: stop 3.0 + pg_upgrade 20.0 + switch 6.0" in refused
    assert "of 60 that a cluster takes" in refused
