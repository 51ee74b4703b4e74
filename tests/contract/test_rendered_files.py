"""Golden files: a change of any rendered line shows up in review.

After a change on purpose: GOLDEN=write pytest tests/contract, then read the diff.
"""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path
from typing import Any

import pytest

from fixtures.releases import DEBIANS, OLDER
from pgstack.planning import sizing
from pgstack.planning.config import StackConfig
from pgstack.planning.hardware import Hardware
from pgstack.planning.packages import NEWEST
from pgstack.planning.plan import Plan
from pgstack.rendering import templates
from pgstack.rendering.file import File

GOLDEN = Path(__file__).with_name("golden")
MB, GB = 1024**2, 1024**3
WHOLE = "2cores-4GB"
"""the size whose golden files are whole; those of others have the lines that differ from it"""
SIZES = {"1core-512MB": (1, 512 * MB), WHOLE: (2, 4 * GB), "32cores-128GB": (32, 128 * GB)}


APART = {"database_host": "db.example", "web_hosts": 2}
MEMBERS = {
    "target": "cluster",
    "web_hosts": 2,
    "members": "db1:10.0.0.21, db2:10.0.0.22, db3:10.0.0.23",
}
BALANCED = {
    "address": "*",
    "port": 443,
    "tls": "self-signed",
    "balancers": "lb1:10.0.0.31, lb2:10.0.0.32",
    "balancer_address": "10.0.0.30",
}
HOSTS: dict[str, tuple[int, dict[str, Any]]] = {
    "all": (NEWEST, {}),
    **{suite: (debian, {}) for suite, debian in OLDER.items()},
    "web": (NEWEST, APART),
    "database": (NEWEST, {**APART, "web_addresses": "10.0.0.0/8"}),
    "member": (NEWEST, {**MEMBERS, "database_host": "10.0.0.22", "web_addresses": "10.0.0.0/24"}),
    "witness": (NEWEST, {**MEMBERS, "database_host": "10.0.0.23", "witness": "db3"}),
    "follower": (NEWEST, {**MEMBERS, "database_host": "10.0.0.21"}),
    "balancer": (
        NEWEST,
        {**BALANCED, "balancer": "lb1", "web_servers": "web1:10.0.0.11, web2:10.0.0.12"},
    ),
    "balanced": (NEWEST, {**MEMBERS, **BALANCED, "database_host": "10.0.0.21"}),
    "tls": (NEWEST, {"tls": "acme", "port": 443, "acme_email": "a@shop.example", "address": "*"}),
    "plain": (NEWEST, {"firewall": "off", "backup": "off"}),
    "sites": (
        NEWEST,
        {
            "name": "shop",
            "sites": "shop:2, blog:1",
            "tls": "self-signed",
            "port": 443,
            "address": "*",
        },
    ),
    "background": (NEWEST, {"valkey": "on", "workers": "mail:2:300m:INT=manage.py run_huey"}),
    "lanes": (NEWEST, {"lanes": "reports=/reports/,/export/:1x4:pool 2; slow=/slow"}),
    "full": (
        NEWEST,
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
    "elsewhere": (NEWEST, {"backup": "s3", "backup_host": "s3.example", "backup_bucket": "stack"}),
}
"""Debian release and inputs. Of all but the first a golden file has what differs from it."""


def host(name: str) -> list[File]:
    """The files of a host but plan.json, which those of Compose have."""
    debian, inputs = HOSTS[name]
    config = StackConfig.model_validate({"target": "host", "hosts": "shop.example", **inputs})
    rendered = templates.files(sizing.plan(config, Hardware(2, 4 * GB, debian, 65536)))[:-1]
    common = [] if name == "all" else host("all")
    return [file for file in rendered if file not in common]


def plan(size: str, debian: int) -> Plan:
    cores, memory = SIZES[size]
    return sizing.plan(
        StackConfig(target="compose", address="*"), Hardware(cores, memory, debian, 65536)
    )


def text(files: list[File]) -> str:
    return "".join(f"=== {file.path} {file.mode:o}\n{file.text}" for file in files)


def differences(files: list[File], whole: list[File]) -> str:
    """The lines of each file that are others in the same file of `whole`."""
    before = {file.path: file for file in whole}
    assert [file.path for file in files] == list(before)
    told = []
    for file in files:
        old = before[file.path]
        assert file.mode == old.mode
        lines = difflib.unified_diff(
            old.text.splitlines(keepends=True), file.text.splitlines(keepends=True), n=0
        )
        changed = [line for line in list(lines)[2:] if not line.startswith("@@")]
        told += [f"=== {file.path}\n", *changed] if changed else []
    return "".join(told)


@pytest.mark.parametrize("debian", DEBIANS)
@pytest.mark.parametrize("size", SIZES)
def test_rendered_files_equal_the_golden_ones(size: str, debian: int) -> None:
    files, whole = (templates.files(plan(name, debian)) for name in (size, WHOLE))
    rendered = text(files) if size == WHOLE else differences(files, whole)
    golden = GOLDEN / f"{size}-debian{debian}.txt"
    if os.environ.get("GOLDEN") == "write":
        golden.write_text(rendered)
    assert rendered == golden.read_text()


@pytest.mark.parametrize("name", HOSTS)
def test_rendered_files_of_a_host_equal_the_golden_ones(name: str) -> None:
    rendered = text(host(name))
    golden = GOLDEN / f"host-{name}.txt"
    if os.environ.get("GOLDEN") == "write":
        golden.write_text(rendered)
    assert rendered == golden.read_text()


def test_debian_12_gets_no_line_that_its_servers_do_not_know() -> None:
    rendered = text(templates.files(plan("2cores-4GB", 12)))
    assert "auth_ident_file" not in rendered
    assert "max_prepared_statements" not in rendered
    assert "SET transaction_timeout" not in rendered
    assert "pgbouncer/ident.conf" not in rendered


def test_debian_13_gets_its_own_lines() -> None:
    rendered = text(templates.files(plan("2cores-4GB", 13)))
    assert "auth_ident_file = /etc/stack/pgbouncer/ident.conf\n" in rendered
    assert "max_prepared_statements = 200\n" in rendered
    assert "ALTER ROLE app SET transaction_timeout = '30s';\n" in rendered


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
    rendered = text(
        templates.files(sizing.plan(StackConfig(**inputs), Hardware(2, 4 * GB, 12, 65536)))
    )
    assert re.findall("always set Strict-Transport-Security (.*)", rendered) == said
