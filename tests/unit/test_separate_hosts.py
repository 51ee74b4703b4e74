"""Web hosts apart from the database host: inputs, plans and files of both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pgstack.errors import InputError
from pgstack.planning.config import load
from pgstack.planning.plan import Plan
from pgstack.rendering import templates
from pgstack.targets.host import inventory

GB = 1024**3
INPUTS: dict[str, Any] = {"web_addresses": ["10.0.0.11", "10.0.1.0/24"], "hosts": ["shop.example"]}
GROUPS = {"database": ["db.example"], "web": ["web1", "web2"]}
LARGE, SMALL = (
    {"cores": cores, "memory": cores * 2 * GB, "debian": 13, "open_files": 65536}
    for cores in (8, 2)
)


def planned(host: str, inputs: dict[str, Any] = INPUTS, others: dict[str, Any] = INPUTS) -> Plan:
    """The plan of one host: a large database host and small web hosts."""
    mine = inventory.of_host(inputs, host, GROUPS)
    if host == "db.example":
        return Plan.model_validate(inventory.plan(mine, LARGE))
    database = inventory.of_host(others, "db.example", GROUPS)
    return Plan.model_validate(inventory.plan(mine, SMALL, database, LARGE))


def text(plan: Plan, name: str) -> str:
    """Text of one rendered file."""
    return next(file.text for file in templates.files(plan) if file.path.name == name)


def parts(paths: set[Path]) -> set[str]:
    """What there is directly below /etc/stack."""
    return {path.parts[3] for path in paths if path.is_relative_to("/etc/stack")}


def test_groups_say_what_a_host_runs() -> None:
    assert [planned(host).part for host in ("db.example", "web1", "web2")] == [
        "database",
        "web",
        "web",
    ]
    assert planned("web1").web.hosts == 2


def test_each_web_host_keeps_its_files_at_its_time_and_the_database_host_its_rows() -> None:
    web, database = planned("web2"), planned("db.example")
    assert (web.backup, database.file_backup) == (None, None)
    assert database.backup is not None
    assert web.file_backup is not None
    assert web.file_backup.repository == "/var/lib/pgbackrest-files-web2"
    units = {file.path.name for file in templates.files(web)}
    assert {"stack-files.service", "stack-files.timer", "stack-files-drill.timer"} <= units
    assert not {"pgbackrest.conf", "stack-drill.timer", "stack-backup@.service"} & units
    assert "OnCalendar=Mon *-*-* 04:00:00 UTC\n" in text(web, "stack-files-drill.timer")


def test_a_name_that_no_path_may_have_is_made_plain() -> None:
    inputs = inventory.of_host(INPUTS, "fd00::1", {"database": ["db.example"], "web": ["fd00::1"]})
    assert inputs["backup_name"] == "fd00--1"


def test_a_host_without_such_groups_runs_everything() -> None:
    assert inventory.of_host({"port": 80}, "shop", {"stack": ["shop"]}) == {"port": 80}


@pytest.mark.parametrize(
    "groups",
    [
        {"database": ["a", "b"], "web": ["shop"]},
        {"database": [], "web": ["shop"]},
        {"database": ["shop"]},
        {"database": ["shop"], "web": ["shop"]},
        {"database": ["a"], "web": ["b"]},
    ],
)
def test_groups_that_name_no_part_are_refused(groups: dict[str, list[str]]) -> None:
    with pytest.raises(InputError, match="one in the group database"):
        inventory.of_host(INPUTS, "shop", groups)


def test_an_inventory_that_lets_nobody_in_is_refused() -> None:
    with pytest.raises(InputError, match="web_addresses: missing"):
        inventory.of_host({}, "web1", GROUPS)


def test_two_request_timeouts_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="timeouts of a query"):
        planned("web1", {**INPUTS, "request_timeout": 12})


@pytest.mark.parametrize(
    ("environ", "reason"),
    [
        ({"STACK_DATABASE_HOST": "db; drop"}, "should match pattern"),
        ({"STACK_DATABASE_HOST": "db", "STACK_WEB_ADDRESSES": "0.0.0.0/0"}, "it lets everybody in"),
        ({"STACK_DATABASE_HOST": "db", "STACK_WEB_ADDRESSES": "10.0.0.1/24"}, "has host bits set"),
        ({"STACK_WEB_ADDRESSES": "10.0.0.1"}, "STACK_WEB_ADDRESSES needs STACK_DATABASE_HOST"),
    ],
)
def test_inputs_that_cannot_be_are_refused(environ: dict[str, str], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        load(environ, target="host")


def test_other_targets_have_no_other_host() -> None:
    with pytest.raises(InputError, match="by Ansible only"):
        load({"STACK_DATABASE_HOST": "db"})


def test_every_web_host_has_a_pool_as_the_database_host_can_feed_it() -> None:
    database, web = planned("db.example"), planned("web1")
    assert (
        web.pooler.default_pool_size,
        web.pooler.reserve_pool_size,
        web.pooler.max_db_connections,
    ) == (17, 4, 21)
    # Two PgBouncers on each of two web hosts while they are replaced, six past them, one of the
    # exporter there, three for the administrator.
    assert database.postgres.max_connections == 21 * 4 + 6 + 1 + 3
    assert web.postgres.settings == database.postgres.settings


def test_memory_is_for_what_runs_there() -> None:
    web, database = planned("web1").memory, planned("db.example").memory
    assert (web.shared_buffers, web.postgres, web.backends, web.work, web.maintenance) == (
        0,
        0,
        0,
        0,
        0,
    )
    assert (database.web, database.apache, database.pooler) == (0, 0, 0)
    assert web.metrics == database.metrics == 40 * 1024**2
    assert web.web > 0
    assert database.shared_buffers > 0


def test_postgresql_lets_the_web_hosts_in_over_tls_and_nobody_else() -> None:
    database = planned("db.example")
    assert text(database, "pg_hba.conf").splitlines()[1:] == [
        "local all postgres peer map=stack",
        "local app app_monitor peer map=stack",
        "hostssl app app,app_owner,app_monitor 10.0.0.11/32 scram-sha-256",
        "hostssl app app,app_owner,app_monitor 10.0.1.0/24 scram-sha-256",
        "local all all reject",
    ]
    settings = database.postgres.settings
    assert (settings["listen_addresses"], settings["ssl"]) == ("*", "on")
    assert settings["ssl_min_protocol_version"] == "TLSv1.3"
    assert "PASSWORD" not in text(database, "roles.sql"), "stackctl sets them"


def test_a_worker_has_no_session_at_a_database_elsewhere() -> None:
    inputs = {**INPUTS, "workers": "mail:2=manage.py run_huey"}
    web, database = (planned(host, inputs, inputs) for host in ("web1", "db.example"))
    assert (web.postgres.direct_connections, database.postgres.direct_connections) == (6, 6)
    assert "worker" not in {login.account for login in web.postgres.passwords}
    assert "app_worker" not in text(database, "roles.sql") + text(database, "pg_hba.conf")


def test_an_address_is_the_only_one_that_postgresql_listens_on() -> None:
    settings = planned("db.example", {**INPUTS, "database_host": "10.0.0.5"}).postgres.settings
    assert settings["listen_addresses"] == "10.0.0.5"


def test_pgbouncer_checks_whom_it_gives_its_password() -> None:
    ini = text(planned("web1"), "pgbouncer.ini")
    assert "app = host=db.example port=5432 dbname=app user=app timezone=UTC connect_query=" in ini
    assert (
        "server_tls_sslmode = verify-full\nserver_tls_ca_file = /etc/stack-database/authority.pem\n"
        in ini
    )
    assert "auth_file = /etc/stack-database/userlist.txt\n" in ini
    assert "listen_addr" not in ini


def test_a_host_has_the_files_of_what_it_runs() -> None:
    database, web = (
        {file.path for file in templates.files(planned(host))} for host in ("db.example", "web1")
    )
    assert parts(database) == {"postgres", "plan.json", "nftables.conf"}
    assert parts(web) == {"pgbouncer", "apache", "plan.json", "nftables.conf"}
    assert Path("/etc/stack/pgbouncer/userlist.txt") not in web, "it holds a password"
    assert "stackctl pause" not in text(planned("db.example"), "stack.conf")
    assert "PrivateNetwork" not in text(planned("web1"), "stack-pgbouncer@.service")


def test_work_beside_pages_is_the_first_web_hosts() -> None:
    inputs = {**INPUTS, "workers": "mail=a", "schedule": "clearsessions=daily 04:00"}
    plans = [planned(host, inputs, inputs) for host in ("web1", "web2")]
    assert [len(plan.workers) for plan in plans] == [1, 0]
    assert [len(plan.schedule) for plan in plans] == [1, 0]


def test_each_web_host_has_all_lanes_and_the_database_counts_them() -> None:
    inputs = {**INPUTS, "lanes": ["reports=/reports/,/export/:1x4:pool 2", "slow=/slow"]}
    database, *webs = (planned(host, inputs, inputs) for host in ("db.example", "web1", "web2"))
    for web in webs:
        assert [(lane.name, lane.pool_size) for lane in web.lanes] == [("reports", 2), ("slow", 4)]
        assert web.postgres.max_connections == database.postgres.max_connections
    # two web hosts, on each an instance of PgBouncer and one that takes over
    without = planned("db.example").postgres.max_connections
    assert database.postgres.max_connections == without + 2 * 2 * (2 + 4)
    assert (database.memory.lanes, webs[0].memory.lanes) == (0, 2 * 72 * 1024**2)


def test_lanes_that_only_one_of_two_inputs_has_are_refused() -> None:
    with pytest.raises(InputError, match=r"20 of lane slow"):
        planned("web1", {**INPUTS, "lanes": "slow=/slow:1x20:pool 20"}, INPUTS)
