"""What serves on a host is shut in by systemd, as systemd itself judges it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from fixtures.exposure import ADDRESSES, CACHE, MOST, NETWORKED, WATCHING
from fixtures.releases import DEBIANS
from pgstack.planning import sizing
from pgstack.planning.config import StackConfig
from pgstack.planning.hardware import Hardware
from pgstack.planning.plan import Plan
from pgstack.rendering import templates

GB = 1024**3
MEMBERS = {"target": "cluster", "members": "db1:10.0.0.21, db2:10.0.0.22, db3:10.0.0.23"}
PLANS = {
    "one host": {"hosts": ["shop.example"], "valkey": "on"},
    "backups elsewhere": {
        "hosts": ["shop.example"],
        "backup": "sftp",
        "backup_host": "kept@store.example",
    },
    "several": {"name": "shop", "sites": "shop, blog", "tls": "self-signed", "port": 443},
    "background": {"schedule": "clean=daily 04:00", "workers": "mail=manage.py run_huey"},
    "full": {"observability": "full"},
    "member": {
        **MEMBERS,
        "database_host": "10.0.0.22",
        "web_addresses": "10.0.0.11",
        "failover": "silence",
    },
    "follower": {**MEMBERS, "database_host": "10.0.0.21"},
    "balancer": {
        "address": "*",
        "balancers": "lb1:10.0.0.31, lb2:10.0.0.32",
        "balancer_address": "10.0.0.30",
        "balancer": "lb1",
        "web_servers": "web1:10.0.0.11",
    },
    "database host": {"database_host": "db.example", "web_addresses": "10.0.0.11"},
}
ANY = "[Service]\nExecStart=/bin/true\n"
"""a unit of Debian's that the drop-in belongs to; it says nothing of a sandbox either"""


def planned(inputs: str, debian: int) -> Plan:
    return sizing.plan(
        StackConfig(**{"target": "host", **PLANS[inputs]}), Hardware(2, 4 * GB, debian, 65536)
    )


def unit_text(plan: Plan, name: str) -> str:
    """Of a unit, or of Debian's with the drop-in that the stack gives it."""
    (unit,) = [
        file
        for file in templates.files(plan)
        if f"/{name}" in str(file.path)
        and "/system/" in str(file.path)
        and file.path.suffix in (".service", ".conf")
    ]
    return unit.text if unit.path.suffix == ".service" else ANY + unit.text


@pytest.mark.parametrize("debian", DEBIANS)
@pytest.mark.parametrize("name", MOST | CACHE)
def test_exposure_of_a_unit_is_small(tmp_path: Path, name: str, debian: int) -> None:
    most = (MOST | CACHE)[name]
    require_closed(tmp_path, unit_text(planned("one host", debian), name), most)


@pytest.mark.parametrize("inputs", ["backups elsewhere", "database host"])
def test_exposure_of_a_database_with_a_network_is_small(tmp_path: Path, inputs: str) -> None:
    require_closed(tmp_path, unit_text(planned(inputs, 13), "postgresql"), NETWORKED)


@pytest.mark.parametrize(
    ("inputs", "name"),
    [
        ("member", "stack-etcd"),
        ("member", "stack-patroni"),
        ("member", "stack-silence"),
        ("follower", "stack-follower"),
        ("balancer", "stack-haproxy"),
    ],
)
def test_exposure_of_what_a_cluster_runs_is_small(tmp_path: Path, inputs: str, name: str) -> None:
    require_closed(tmp_path, unit_text(planned(inputs, 13), name), NETWORKED)


def test_exposure_of_what_changes_addresses_is_small(tmp_path: Path) -> None:
    require_closed(tmp_path, unit_text(planned("balancer", 13), "stack-keepalived"), ADDRESSES)


@pytest.mark.parametrize("debian", DEBIANS)
@pytest.mark.parametrize("name", WATCHING)
def test_exposure_of_a_drop_in_is_small(tmp_path: Path, name: str, debian: int) -> None:
    text = ANY.replace("[Service]", "[Service]\nUser=prometheus") + next(
        file.text
        for file in templates.files(planned("full", debian))
        if file.path.parent.name == f"{name}.service.d"
    )
    require_closed(tmp_path, text, WATCHING[name])


@pytest.mark.parametrize("debian", DEBIANS)
@pytest.mark.parametrize("name", ["stack-schedule-clean", "stack-worker-mail"])
def test_exposure_of_a_command_beside_pages_is_small(
    tmp_path: Path, name: str, debian: int
) -> None:
    require_closed(tmp_path, unit_text(planned("background", debian), name), 25)


@pytest.mark.parametrize("debian", DEBIANS)
def test_exposure_of_what_is_in_front_of_several_sites_is_small(
    tmp_path: Path, debian: int
) -> None:
    require_closed(tmp_path, unit_text(planned("several", debian), "sites-front"), 25)


def require_closed(tmp_path: Path, text: str, most: int) -> None:
    """Its exposure is at most so many tenths."""
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is missing; apt-get install systemd")
    unit = tmp_path / "unit.service"
    unit.write_text(text)
    words = [program, "security", "--no-pager", "--offline=true", f"--threshold={most}", str(unit)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert "Overall exposure level" in done.stdout
    assert done.returncode == 0, done.stdout[-300:] + done.stderr
