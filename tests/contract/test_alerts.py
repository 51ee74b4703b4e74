"""Alerts: each fires on what it is for and on nothing less, and has a page; their rules are read by
Prometheus' own tool, and name no metric that nobody exports."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from fixtures.prometheus import RULES, promtool, unknown_metrics
from pgstack.metrics import rules as page_rules
from pgstack.planning import layout

PAGE = layout.CHECKOUT / "docs/alerts.md"
AT = '{instance="shop", job="pgstack"'
DAY = 86400
SPANS = {"": 0, "30s": 30, "1m": 60, "2m": 120, "5m": 300, "15m": 900, "1h": 3600}
THRESHOLDS = {
    "SiteDown": ["== 0"],
    "PostgreSQLDown": ["== 0"],
    "PgBouncerDown": ["== 0"],
    "ServerErrors": [
        f"[{page_rules.ERRORS_WITHIN / 60:g}m]) > {page_rules.ERRORS} ",
        f"> ignoring(class) {page_rules.ERROR_SHARE} *",
    ],
    "RequestsQueue": [
        "histogram_quantile(0.95,",
        f"[{page_rules.RATES_WITHIN / 60:g}m]",
        f"max(pgstack_plan_queue_timeout_seconds) / {page_rules.QUEUE_SHARE}",
    ],
    "WorkersTaken": [f"> {page_rules.WORKER_SHARE} * pgstack_plan_apache_workers"],
    "LocksBlock": ["(pgstack_plan_pool_size) / 2)"],
    "PoolWaits": [f"[{page_rules.RATES_WITHIN / 60:g}m]", "(pgstack_plan_pool_size)) / 2)"],
    "ArchiveFails": ["failed_timestamp_seconds[5m]) > (last_over_time(pgstack_postgresql_archived"],
    "ChecksumFails": ["> 0"],
    "CertificateEnds": ["< 7 * 86400"],
    "CertificateEndsSoon": ["< 21 * 86400"],
    "BackupLate": ["> on(instance, job) pgstack_plan_backup_oldest_seconds"],
    "DrillLate": ["== 0", "> on(instance, job) pgstack_plan_drill_oldest_seconds"],
    "VerifyFails": ["== 0", f"> {page_rules.VERIFY_DAYS} * 86400"],
    "TransactionIdsRunOut": [f"> {page_rules.XIDS_PAGE:.0e}".replace("+0", "")],
    "TransactionIdsAge": [f"> {page_rules.XIDS_TICKET:.0e}".replace("+0", "")],
    "IdleInTransaction": [
        f"{page_rules.IDLE_TIMES} * pgstack_plan_idle_in_transaction_timeout_seconds"
    ],
    "ConnectionsRunOut": ["- pgstack_plan_postgresql_reserved_connections - 1)"],
    "PoolerClientsRunOut": [f"{page_rules.CLIENT_SHARE} * pgstack_plan_pooler_clients"],
}
"""what a rule says of the numbers by which the page judges (pgstack.metrics.rules)"""


class Case(NamedTuple):
    """Series as promtool writes them, without instance and job, and after how many seconds the
    alert fires; those beside which it never does."""

    fires: dict[str, str]
    after: int
    quiet: dict[str, str]


def up(source: str, value: str) -> dict[str, str]:
    return {f'pgstack_up{{source="{source}"}}': value}


def answers(errors: str, rest: str) -> dict[str, str]:
    name = "pgstack_wsgi_responses_total"
    return {f'{name}{{class="5xx"}}': errors, f'{name}{{class="2xx"}}': rest}


def queue(short: str, long: str) -> dict[str, str]:
    """`short` of these waited a millisecond at most, all others up to 5 s."""
    name = "pgstack_wsgi_queue_seconds_bucket"
    return {
        f'{name}{{le="0.001"}}': short,
        f'{name}{{le="1.0"}}': short,
        f'{name}{{le="5.0"}}': long,
        f'{name}{{le="+Inf"}}': long,
        "pgstack_plan_queue_timeout_seconds": "10+0x40",
    }


POOL = {'pgstack_plan_pool_size{database="app"}': "5+0x80", "pgstack_plan_threads": "8+0x80"}
DISK = 'node_filesystem_{}{{mountpoint="/",fstype="ext4"}}'
FULL = {DISK.format("size_bytes"): "100+0x80", DISK.format("files"): "100+0x80"}
FREE = {DISK.format("files_free"): "90+0x80"}

CASES = {
    "SiteDown": Case(up("site", "1 0+0x20"), 90, up("site", "1 0 0 0 1+0x20")),
    "ExporterSilent": Case(up("plan", "1 _x20"), 450, up("plan", "1+0x40")),
    "ServerErrors": Case(
        answers("0+1x40", "0+20x40"), 330, answers("0+1x40", "0+90x40") | {"other": "0"}
    ),
    "RequestsQueue": Case(queue("0+9x40", "0+10x40"), 120, queue("0+99x40", "0+100x40")),
    "WorkersTaken": Case(
        {
            "pgstack_apache_busy_workers": "441 stale 441+0x20",
            "pgstack_plan_apache_workers": "512+0x20",
        },
        75,
        {"pgstack_apache_busy_workers": "400+0x20", "pgstack_plan_apache_workers": "512+0x20"},
    ),
    "PostgreSQLDown": Case(up("postgresql", "1 0+0x20"), 60, up("postgresql", "1 0 0 1+0x20")),
    "PgBouncerDown": Case(up("pgbouncer", "1 0+0x20"), 90, up("pgbouncer", "1 0 0 0 1+0x20")),
    "LocksBlock": Case(
        {"pgstack_postgresql_lock_waiters": "3+0x20", **POOL},
        75,
        {"pgstack_postgresql_lock_waiters": "2+0x20", **POOL},
    ),
    "PoolWaits": Case(
        {'pgstack_pgbouncer_wait_seconds_total{database="app"}': "0+30x40", **POOL},
        210,
        {'pgstack_pgbouncer_wait_seconds_total{database="app"}': "0+15x40", **POOL},
    ),
    "DiskFills": Case(
        {DISK.format("avail_bytes"): "14-0.1x80", **FREE, **FULL},
        900,
        {DISK.format("avail_bytes"): "90-0.1x80", **FREE, **FULL},
    ),
    "ArchiveFails": Case(
        {
            "pgstack_postgresql_archive_failed_timestamp_seconds": "20+0x8 stale _x2 20+0x40",
            "pgstack_postgresql_archived_timestamp_seconds": "10+0x8 stale _x2 10+0x40",
        },
        330,
        {
            "pgstack_postgresql_archive_failed_timestamp_seconds": "20+0x40",
            "pgstack_postgresql_archived_timestamp_seconds": "30+0x40",
        },
    ),
    "ChecksumFails": Case(
        {"pgstack_postgresql_checksum_failures_total": "1+0x10"},
        15,
        {"pgstack_postgresql_checksum_failures_total": "0+0x10"},
    ),
    "ServerRestarts": Case(
        {"pgstack_postgresql_start_timestamp_seconds": "1 1 2 2 3 3 4 4 5 5+0x20"},
        180,
        {"pgstack_postgresql_start_timestamp_seconds": "1 1 2 2 3 3 3 3+0x20"},
    ),
    "CertificateEnds": Case(
        {"pgstack_certificate_expiry_timestamp_seconds": f"{6 * DAY}+0x20"},
        90,
        {"pgstack_certificate_expiry_timestamp_seconds": f"{8 * DAY}+0x20"},
    ),
    "CertificateEndsSoon": Case(
        {"pgstack_certificate_expiry_timestamp_seconds": f"{20 * DAY}+0x300"},
        3700,
        {"pgstack_certificate_expiry_timestamp_seconds": f"{22 * DAY}+0x300"},
    ),
    "BackupLate": Case(
        {
            "pgstack_backup_timestamp_seconds": "0+0x200",
            "pgstack_plan_backup_oldest_seconds": "60+0x200",
        },
        1200,
        {
            "pgstack_backup_timestamp_seconds": "0+0x200",
            "pgstack_plan_backup_oldest_seconds": "9000+0x200",
        },
    ),
    "DrillLate": Case(
        {"pgstack_drill_passed": "1 0+0x80"},
        960,
        {
            "pgstack_drill_passed": "1+0x200",
            "pgstack_drill_timestamp_seconds": "0+0x200",
            "pgstack_plan_drill_oldest_seconds": "9000+0x200",
        },
    ),
    "VerifyFails": Case(
        {"pgstack_verify_passed": "1 0+0x80"},
        960,
        {"pgstack_verify_passed": "1+0x200", "pgstack_verify_timestamp_seconds": "0+0x200"},
    ),
    "TransactionIdsRunOut": Case(
        {"pgstack_postgresql_xid_age": "1100000000+0x8 stale _x2 1100000000+0x40"},
        330,
        {"pgstack_postgresql_xid_age": "900000000+0x40"},
    ),
    "TransactionIdsAge": Case(
        {"pgstack_postgresql_xid_age": "600000000+0x300"},
        3700,
        {"pgstack_postgresql_xid_age": "400000000+0x300"},
    ),
    "IdleInTransaction": Case(
        {
            "pgstack_postgresql_idle_in_transaction_seconds": "25+0x20",
            "pgstack_plan_idle_in_transaction_timeout_seconds": "10+0x20",
        },
        75,
        {
            "pgstack_postgresql_idle_in_transaction_seconds": "11+0x20",
            "pgstack_plan_idle_in_transaction_timeout_seconds": "10+0x20",
        },
    ),
    "ConnectionsRunOut": Case(
        {
            'pgstack_postgresql_backends{role="app",state="idle"}': "15+0x20",
            "pgstack_postgresql_max_connections": "20+0x20",
            "pgstack_plan_postgresql_reserved_connections": "3+0x20",
        },
        135,
        {
            'pgstack_postgresql_backends{role="app",state="idle"}': "14+0x20",
            "pgstack_postgresql_max_connections": "20+0x20",
            "pgstack_plan_postgresql_reserved_connections": "3+0x20",
        },
    ),
    "PoolerClientsRunOut": Case(
        {
            'pgstack_pgbouncer_client_connections{database="app",user="app",state="active"}': "19+0x20",
            "pgstack_plan_pooler_clients": "20+0x20",
        },
        135,
        {
            'pgstack_pgbouncer_client_connections{database="app",user="app",state="active"}': "17+0x20",
            "pgstack_plan_pooler_clients": "20+0x20",
        },
    ),
    "Watchdog": Case({"any": "0"}, 0, {}),
}


def rules() -> list[dict[str, Any]]:
    """As they are read."""
    return [
        rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]
    ]


def series(values: dict[str, str]) -> list[dict[str, str]]:
    """With the labels that Prometheus gives."""
    named = {
        name.replace("{", f"{AT},") if "{" in name else f"{name}{AT}}}": values
        for name, values in values.items()
    }
    return [{"series": name, "values": values} for name, values in named.items()]


def test_rules_can_be_read() -> None:
    assert f"{len(rules())} rules found" in promtool("check", "rules", str(RULES))


def test_each_rule_has_a_case_and_a_page() -> None:
    names = [rule["alert"] for rule in rules()]
    assert sorted(CASES) == sorted(names)
    headings = re.findall(r"^### (\w+)$", PAGE.read_text(), re.MULTILINE)
    for rule in rules():
        page, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert page == "docs/alerts.md"
        assert anchor in [heading.lower() for heading in headings], rule["alert"]
        assert rule["labels"]["severity"] in {"page", "ticket", "none"}


def test_the_page_says_what_raised_each_and_how_fast() -> None:
    rows = re.findall(r"^\| .* \| (\w+) \| \d+ s \| \d+ s \|$", PAGE.read_text(), re.MULTILINE)
    assert {*rows, "Watchdog"} == {rule["alert"] for rule in rules()}


def test_rules_name_only_what_is_exported() -> None:
    for rule in rules():
        assert unknown_metrics(rule["expr"]) == []


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_it_fires_on_what_it_is_for_and_on_nothing_less(
    rule: dict[str, Any], tmp_path: Path
) -> None:
    case = CASES[rule["alert"]]
    firing = alerts(rule, case.fires, case.after, tmp_path)
    assert rule["alert"] in firing
    if case.quiet:
        assert rule["alert"] not in alerts(rule, case.quiet, case.after, tmp_path)
    if rule.get("for"):
        assert rule["alert"] not in alerts(rule, case.fires, 0, tmp_path)


def alerts(rule: dict[str, Any], given: dict[str, str], seconds: int, place: Path) -> str:
    """What fires then, as promtool says of a test that expects another."""
    file = place / "test.yml"
    expects = {"eval_time": f"{seconds}s", "alertname": rule["alert"], "exp_alerts": [{}]}
    test = {"interval": "15s", "input_series": series(given), "alert_rule_test": [expects]}
    content = {"rule_files": [str(RULES)], "evaluation_interval": "15s", "tests": [test]}
    file.write_text(yaml.safe_dump(content))
    said = promtool("test", "rules", str(file))
    got = re.search(r"got:(.*)", said, re.DOTALL)
    assert got, said
    return rule["alert"] if "Labels" in got[1] else ""


def test_one_silent_exporter_is_noticed_beside_another(tmp_path: Path) -> None:
    rule = next(rule for rule in rules() if rule["alert"] == "ExporterSilent")
    other = {'pgstack_up{source="plan",site="other"}': "1+0x40"}
    assert alerts(rule, up("plan", "1 _x40") | other, 450, tmp_path)
    assert not alerts(rule, up("plan", "1 1x40") | other, 450, tmp_path)


@pytest.mark.parametrize("own", page_rules.RULES, ids=lambda own: own.name)
def test_the_page_judges_as_the_rule_does(own: page_rules.Rule) -> None:
    """With the same numbers, for as long, and as urgently."""
    rule = next(rule for rule in rules() if rule["alert"] == own.name)
    assert rule["labels"]["severity"] == own.severity
    assert SPANS[rule.get("for", "")] == own.seconds
    for threshold in THRESHOLDS[own.name]:
        assert threshold in " ".join(rule["expr"].split()), threshold


def test_rules_that_only_prometheus_judges_are_known() -> None:
    elsewhere = {"ExporterSilent", "DiskFills", "ServerRestarts", "Watchdog"}
    assert {rule["alert"] for rule in rules()} == elsewhere | {r.name for r in page_rules.RULES}
    assert set(THRESHOLDS) == {rule.name for rule in page_rules.RULES}
