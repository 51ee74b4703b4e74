"""Golden files: a change of any rendered line shows up in review.

After a change on purpose: GOLDEN=write pytest tests/contract, then read the diff.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

from fixtures.releases import DEBIANS
from pgstack.planning import sizing
from pgstack.planning.config import StackConfig
from pgstack.planning.hardware import Hardware
from pgstack.planning.plan import Plan
from pgstack.rendering import templates
from pgstack.rendering.file import File

GOLDEN = Path(__file__).with_name("golden")
MB, GB = 1024**2, 1024**3
SIZES = {"1core-512MB": (1, 512 * MB), "2cores-4GB": (2, 4 * GB), "32cores-128GB": (32, 128 * GB)}


APART = {"database_host": "db.example", "web_hosts": 2}
MEMBERS = {
    "target": "cluster",
    "web_hosts": 2,
    "members": "db1:10.0.0.21, db2:10.0.0.22, db3:10.0.0.23",
}
HOSTS: dict[str, tuple[int, dict[str, Any]]] = {
    "all": (13, {}),
    "bookworm": (12, {}),
    "web": (13, APART),
    "database": (13, {**APART, "web_addresses": "10.0.0.0/8"}),
    "member": (13, {**MEMBERS, "database_host": "10.0.0.22", "web_addresses": "10.0.0.0/24"}),
    "follower": (13, {**MEMBERS, "database_host": "10.0.0.21"}),
    "tls": (13, {"tls": "acme", "port": 443, "acme_email": "a@shop.example", "address": "*"}),
    "plain": (13, {"firewall": "off", "backup": "off"}),
    "sites": (
        13,
        {
            "name": "shop",
            "sites": "shop:2, blog:1",
            "tls": "self-signed",
            "port": 443,
            "address": "*",
        },
    ),
    "background": (13, {"valkey": "on", "workers": "mail:2:300m:INT=manage.py run_huey"}),
    "full": (
        13,
        {
            "observability": "full",
            "alert_mail": "ops@shop.example, night@shop.example",
            "alert_smtp": "mail.shop.example:587",
            "alert_smtp_user": "shop",
            "alert_smtp_password_file": "/root/password",
            "alert_webhook_file": "/root/webhook",
            "alert_watchdog_file": "/root/watchdog",
        },
    ),
    "elsewhere": (13, {"backup": "s3", "backup_host": "s3.example", "backup_bucket": "stack"}),
}
"""Debian release and inputs. Of all but the first a golden file has what differs from it."""


def host(name: str) -> list[File]:
    """The files of a host but plan.json, which those of Compose have."""
    debian, inputs = HOSTS[name]
    config = StackConfig.model_validate({"target": "host", "hosts": "shop.example", **inputs})
    found = templates.files(sizing.plan(config, Hardware(2, 4 * GB, debian, 65536)))[:-1]
    common = [] if name == "all" else host("all")
    return [file for file in found if file not in common]


def plan(size: str, debian: int) -> Plan:
    cores, memory = SIZES[size]
    return sizing.plan(
        StackConfig(target="compose", address="*"), Hardware(cores, memory, debian, 65536)
    )


def text(files: list[File]) -> str:
    return "".join(f"=== {file.path} {file.mode:o}\n{file.text}" for file in files)


@pytest.mark.parametrize("debian", DEBIANS)
@pytest.mark.parametrize("size", SIZES)
def test_rendered_files_equal_the_golden_ones(size: str, debian: int) -> None:
    found = text(templates.files(plan(size, debian)))
    golden = GOLDEN / f"{size}-debian{debian}.txt"
    if os.environ.get("GOLDEN") == "write":
        golden.write_text(found)
    assert found == golden.read_text()


@pytest.mark.parametrize("name", HOSTS)
def test_rendered_files_of_a_host_equal_the_golden_ones(name: str) -> None:
    found = text(host(name))
    golden = GOLDEN / f"host-{name}.txt"
    if os.environ.get("GOLDEN") == "write":
        golden.write_text(found)
    assert found == golden.read_text()


def test_debian_12_gets_no_line_that_its_servers_do_not_know() -> None:
    found = text(templates.files(plan("2cores-4GB", 12)))
    assert "auth_ident_file" not in found
    assert "max_prepared_statements" not in found
    assert "SET transaction_timeout" not in found
    assert "pgbouncer/ident.conf" not in found


def test_debian_13_gets_its_own_lines() -> None:
    found = text(templates.files(plan("2cores-4GB", 13)))
    assert "auth_ident_file = /etc/stack/pgbouncer/ident.conf\n" in found
    assert "max_prepared_statements = 200\n" in found
    assert "ALTER ROLE app SET transaction_timeout = '30s';\n" in found


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"tls": "self-signed"}, []),
        ({"proxy": "on"}, []),
        ({"tls": "self-signed", "hsts": 60}, ['"max-age=60"']),
        ({"proxy": "on", "hsts": 60}, ['"max-age=60"']),
    ],
)
def test_browsers_are_told_to_insist_on_tls_when_that_is_asked_for(
    inputs: dict[str, Any], said: list[str]
) -> None:
    found = text(
        templates.files(sizing.plan(StackConfig(**inputs), Hardware(2, 4 * GB, 12, 65536)))
    )
    assert re.findall("always set Strict-Transport-Security (.*)", found) == said
