"""What a host was found to have that is in a stack's way, and what Ansible is told of it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).resolve().parents[2] / "ansible/filter_plugins"))

import stack as plugin  # the path comes first
from ansible.errors import AnsibleFilterError

from pgstack.planning.config import StackConfig
from pgstack.planning.hardware import Hardware
from pgstack.planning.sizing import plan
from pgstack.targets.host import files, machine, servers

TLS = {"tls": "self-signed", "port": 443, "hosts": ("shop.example",)}
SFTP = {"backup": "sftp", "backup_host": "backups@store.example", "backup_path": "/srv/shop"}
DATABASE = {"database_host": "db.example", "web_addresses": "10.0.0.0/8"}


def stack(**inputs: Any) -> dict[str, Any]:
    """A plan as Ansible has it."""
    config = StackConfig.model_validate({"target": "host", **inputs})
    return plan(config, Hardware(2, 4 * 1024**3, 13, 65536)).model_dump(mode="json")


def listener(port: int, address: str, unit: str = "nginx.service") -> machine.Listener:
    return {"port": port, "address": address, "program": "nginx", "unit": unit}


@pytest.mark.parametrize(
    ("holder", "is_taken"),
    [
        (listener(443, "0.0.0.0"), True),
        (listener(80, "::"), True),
        (listener(8441, "127.0.0.1"), True),
        (listener(8400, "127.0.0.1"), True),
        (listener(8400, "127.0.0.1", "stack-metrics.service"), False),
        (listener(443, "127.0.0.1"), True),
        (listener(443, "10.0.0.1"), False),
        (listener(8000, "0.0.0.0"), False),
        (listener(443, "0.0.0.0", "stack-apache@a.service"), False),
    ],
)
def test_who_holds_a_port_of_the_stacks_is_named(holder: machine.Listener, is_taken: bool) -> None:
    port, address = holder["port"], holder["address"]
    words = [f"port {port} is held by nginx (nginx.service) at {address}"]
    assert machine.port_conflicts(stack(**TLS), [holder]) == (words if is_taken else [])


@pytest.mark.parametrize(
    ("address", "unit", "is_taken"),
    [
        ("127.0.0.1", "prometheus.service", False),
        ("*", "prometheus.service", True),
        ("127.0.0.1", "other.service", True),
        ("192.0.2.1", "other.service", False),
    ],
)
def test_a_prometheus_that_is_not_the_stacks_is_named(
    address: str, unit: str, is_taken: bool
) -> None:
    holder = listener(9090, address, unit)
    words = [f"port 9090 is held by nginx ({unit}) at {address}"]
    full = stack(observability="full")
    assert machine.port_conflicts(full, [holder]) == (words if is_taken else [])
    assert machine.port_conflicts(stack(), [holder]) == []


def test_a_database_that_sorts_otherwise_is_in_the_way_only_where_there_is_one() -> None:
    surveyed: machine.Found = {"sorts": "icu:de-DE", "locales": ""}
    assert "icu:de-DE" in machine.unsorted(stack(), surveyed)
    assert machine.unsorted(stack(database_host="db.example"), surveyed) == ""


ACCOUNT: machine.Account = {
    "name": "app",
    "home": "/srv/stack",
    "shell": "/usr/sbin/nologin",
    "what": "Web processes of the stack",
    "service": "apache",
    "groups": ["sockets", "secrets"],
}


@pytest.mark.parametrize(
    ("difference", "is_unlike"),
    [
        ({}, False),
        ({"accounts": {}, "logins": {}}, True),
        ({"accounts": {"app": "Somebody"}}, True),
        ({"logins": {"app": ["/home/app", "/usr/sbin/nologin"]}}, True),
        ({"logins": {"app": ["/srv/stack", "/bin/bash"]}}, True),
        ({"groups": {"sockets": ["app"]}}, True),
        ({"groups": {"sockets": ["app"], "secrets": ["deploy"]}}, True),
    ],
)
def test_an_account_is_made_or_mended_where_it_is_not_as_wanted(
    difference: dict[str, Any], is_unlike: bool
) -> None:
    surveyed: Any = {
        "accounts": {"app": ACCOUNT["what"], "root": "root"},
        "logins": {"app": ["/srv/stack", "/usr/sbin/nologin"], "root": ["/root", "/bin/bash"]},
        "groups": {"sockets": ["app", "pooler"], "secrets": ["app"]},
        **difference,
    }
    assert machine.unlike([ACCOUNT], surveyed) == ([ACCOUNT] if is_unlike else [])


@pytest.mark.parametrize(
    ("inputs", "role", "names"),
    [
        ({}, "firewall", {"nftables.conf", "stack-firewall.service"}),
        ({"firewall": "off"}, "firewall", set()),
        (DATABASE, "apache", set()),
        ({}, "plan", {"plan.json"}),
    ],
)
def test_a_role_gets_its_own_files(inputs: dict[str, Any], role: str, names: set[str]) -> None:
    own = files.of_plan(stack(**inputs), role)
    assert {Path(str(file["dest"])).name for file in own} == names


def test_a_host_installs_at_once_what_its_services_need() -> None:
    """But for packages whose own units start, with drop-ins that have to be there before."""
    wanted = {"valkey": "on", "observability": "full", "packages": ["hello"], "backup": "off"}
    assert servers.needed(stack(**wanted, extensions=["vector"])) == {
        "packages": [
            "acl",
            "apache2-bin",
            "ca-certificates",
            "hello",
            "libapache2-mod-wsgi-py3",
            "logrotate",
            "media-types",
            "nftables",
            "openssl",
            "pgbouncer",
            "postgresql-17",
            "postgresql-17-pgvector",
            "postgresql-client-17",
            "procps",
            "python3-venv",
            "sudo",
            "unattended-upgrades",
            "valkey-server",
        ],
        "masked": ["pgbouncer.service", "valkey-server.service"],
    }


@pytest.mark.parametrize(
    ("inputs", "names"),
    [({}, {"pgbackrest", "restic"}), (SFTP, {"pgbackrest", "restic", "openssh-client"})],
)
def test_backups_have_their_programs(inputs: dict[str, Any], names: set[str]) -> None:
    without = servers.needed(stack(backup="off"))["packages"]
    assert {*servers.needed(stack(**inputs))["packages"]} - {*without} == names


def test_a_host_is_told_what_a_service_needs() -> None:
    full = stack(valkey="on", observability="full")
    valkey = servers.of_plan(full, "valkey")
    assert valkey["packages"] == ["valkey-server"]
    assert [file["dest"] for file in valkey["files"]] == [
        "/etc/stack/valkey",
        "/etc/stack/valkey/valkey.conf",
    ]
    watching = servers.of_plan(full, "observability")
    assert watching["packages"] == [
        "prometheus",
        "prometheus-alertmanager",
        "prometheus-node-exporter",
    ]
    assert [file["dest"] for file in watching["files"]] == [
        "/etc/stack/observability",
        "/etc/systemd/system/prometheus.service.d",
        "/etc/systemd/system/prometheus-alertmanager.service.d",
        "/etc/systemd/system/prometheus-node-exporter.service.d",
        "/etc/stack/observability/prometheus.yml",
        "/etc/stack/observability/alerts.yml",
        "/etc/stack/observability/alertmanager.yml",
        "/etc/systemd/system/prometheus.service.d/stack.conf",
        "/etc/systemd/system/prometheus-alertmanager.service.d/stack.conf",
        "/etc/systemd/system/prometheus-node-exporter.service.d/stack.conf",
    ]
    metrics = servers.of_plan(full, "metrics")
    assert metrics["timers"] == ["stack-facts.timer", "stack-verify.timer"]
    assert (metrics["packages"], metrics["files"]) == ([], [])
    assert servers.of_plan(stack(backup="off"), "metrics")["timers"] == ["stack-verify.timer"]


MADE = [
    "/etc/systemd/system/prometheus.service.d/stack.conf",
    "/etc/systemd/system/prometheus-alertmanager.service.d/stack.conf",
    "/etc/systemd/system/stack-metrics.service",
    "/etc/systemd/system/stack-verify.timer",
    "/etc/systemd/system/stack-valkey.service",
    "/etc/systemd/system/stack-apache@.service",
]
"""on a host that an earlier plan gave Valkey and Prometheus"""


def test_what_an_earlier_plan_had_is_taken_away() -> None:
    valkey, watching = servers.unplanned(stack(), MADE)
    assert valkey == {
        "units": ["stack-valkey.service"],
        "gone": [
            "/etc/stack/valkey",
            "/etc/stack/live/valkey",
            "/etc/systemd/system/stack-valkey.service",
        ],
    }
    assert watching == {
        "units": ["prometheus.service", "prometheus-alertmanager.service"],
        "gone": [
            "/etc/stack/observability",
            "/etc/stack/live/observability",
            "/etc/systemd/system/prometheus-node-exporter.service.d",
            "/etc/systemd/system/prometheus-alertmanager.service.d",
            "/etc/systemd/system/prometheus.service.d",
        ],
    }
    (metrics,) = servers.unplanned(stack(observability="off", valkey="on"), MADE[2:])
    assert metrics["units"] == ["stack-metrics.service", "stack-verify.timer"]
    assert metrics["gone"] == [
        "/etc/stack/metrics",
        "/etc/stack/live/metrics",
        "/var/lib/stack-facts",
        "/etc/systemd/system/stack-verify.timer",
        "/etc/systemd/system/stack-verify.service",
        "/etc/systemd/system/stack-facts.timer",
        "/etc/systemd/system/stack-facts.service",
        "/etc/systemd/system/stack-metrics.service",
    ]


def test_nothing_is_taken_away_that_is_planned_or_was_never_there() -> None:
    assert servers.unplanned(stack(valkey="on", observability="full"), MADE) == []
    assert servers.unplanned(stack(), MADE[5:]) == []


def test_an_error_of_the_stack_is_one_of_ansibles() -> None:
    refused = plugin.FilterModule().filters()["stack_plan"]
    machine_ = {"cores": 2, "memory": 4 * 1024**3, "debian": 13, "open_files": 65536}
    with pytest.raises(AnsibleFilterError, match=r"^stack_inputs: STACK_PORT=99999"):
        refused({"port": 99999}, machine_)


def clocks(late: float) -> dict[str, machine.Clock]:
    """Of two hosts that were asked within two seconds, the second one's fast by so many."""
    return {
        "db1": {"asked": 100.0, "here": 101.0, "told": 102.0},
        "db2": {"asked": 100.0, "here": 101.0 + late, "told": 102.0},
    }


@pytest.mark.parametrize("late", [0.0, 2.5, -2.5])
def test_clocks_that_may_agree_are_taken_as_agreeing(late: float) -> None:
    assert machine.clocks_apart(clocks(late), 1.0) == ""


@pytest.mark.parametrize(
    ("late", "said"),
    [
        (30.0, "The clock of db2 is 28 s or more ahead of that of db1."),
        (-30.0, "The clock of db1 is 28 s or more ahead of that of db2."),
    ],
)
def test_clocks_that_differ_for_certain_are_refused(late: float, said: str) -> None:
    assert machine.clocks_apart(clocks(late), 1.0).startswith(said)
