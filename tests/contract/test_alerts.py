"""Alerts: each fires on what it is for and on nothing less, and has a page; their rules are read by
Prometheus' own tool, and name no metric that nobody exports."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from fixtures.alert_series import CASES, series, up
from fixtures.prometheus import RULES, promtool, unknown_metrics
from pgstack.metrics import rules as page_rules
from pgstack.metrics.rule import Rule
from pgstack.planning import layout

PAGE = layout.CHECKOUT / "docs/alerts.md"
SPANS = {"": 0, "30s": 30, "1m": 60, "2m": 120, "5m": 300, "15m": 900, "1h": 3600}
THRESHOLDS = {
    "SiteDown": ["== 0"],
    "PostgreSQLDown": ["== 0"],
    "PgBouncerDown": ["== 0"],
    "ServerErrors": [
        f"[{page_rules.ERRORS_WITHIN / 60:g}m])) > {page_rules.ERRORS} ",
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
    "NoLeader": ["max without(member, instance) (pgstack_cluster_member_leads) == 0"],
    "SeveralLead": ["(pgstack_cluster_member_leads)) > 1"],
    "PoolerAstray": [
        "max without(member) (pgstack_cluster_pooler_led * pgstack_cluster_member_leads) == 0"
    ],
    "FailsafeMode": ["max without(member, instance) (pgstack_cluster_member_failsafe) == 1"],
    "MemberMissing": ["(pgstack_cluster_member_serves) == 0"],
    "ReplicationLags": ["group_left() max without(instance) (pgstack_plan_cluster_lag_bytes)"],
    "NoSynchronousStandby": [
        "max without(member, instance) (pgstack_cluster_member_synchronous) == 0"
    ],
    "EtcdUnheard": [
        "time() - max without(instance) (pgstack_cluster_member_etcd_timestamp_seconds) > ",
        "group_left() max without(instance) (pgstack_plan_cluster_lease_seconds)",
    ],
    "EtcdDown": ["== 0"],
    "WebHostDown": ["(pgstack_balancer_server_ready + pgstack_balancer_server_drained) == 0"],
    "PoolerClientsRunOut": [f"{page_rules.CLIENT_SHARE} * pgstack_plan_pooler_clients"],
}
"""what a rule says of the numbers by which the page judges (pgstack.metrics.rules)"""
HOSTS = ("db1", "db2", "db3", "web1")
TOLD_BY_ALL = [
    "NoLeader",
    "SeveralLead",
    "FailsafeMode",
    "MemberMissing",
    "NoSynchronousStandby",
    "EtcdUnheard",
    "ReplicationLags",
    "WebHostDown",
    "RequestsQueue",
]
"""what each host of a cluster says of all of it; requests are counted together"""
DENIED_BY_OTHERS = [
    "NoLeader",
    "MemberMissing",
    "NoSynchronousStandby",
    "EtcdUnheard",
    "ReplicationLags",
    "WebHostDown",
]
"""what a host that is cut off says of all others"""


def rules() -> list[dict[str, Any]]:
    """As they are read."""
    return [
        rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]
    ]


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
    page = PAGE.read_text()
    rows = re.findall(r"^\| .* \| (\w+) \| \d+ s \| \d+ s \|$", page, re.MULTILINE)
    unprovoked = re.findall(r"^\| .* \| (\w+) \| not provoked \| \|$", page, re.MULTILINE)
    assert unprovoked == ["SeveralLead"]
    assert {*rows, *unprovoked, "Watchdog"} == {rule["alert"] for rule in rules()}


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
    """What fires then on one host: its name, or nothing."""
    return rule["alert"] if fired(rule, series(given), seconds, place) else ""


def fired(
    rule: dict[str, Any], given: list[dict[str, str]], seconds: int, place: Path
) -> list[str]:
    """Labels of what fires then, as promtool says of a test that expects another."""
    file = place / "test.yml"
    expects = {"eval_time": f"{seconds}s", "alertname": rule["alert"], "exp_alerts": [{}]}
    test = {"interval": "15s", "input_series": given, "alert_rule_test": [expects]}
    content = {"rule_files": [str(RULES)], "evaluation_interval": "15s", "tests": [test]}
    file.write_text(yaml.safe_dump(content))
    said = promtool("test", "rules", str(file))
    got = re.search(r"got:(.*)", said, re.DOTALL)
    assert got, said
    return re.findall(r"Labels:({.*})", got[1])


def named(alert: str) -> dict[str, Any]:
    """The rule of that name."""
    return next(rule for rule in rules() if rule["alert"] == alert)


@pytest.mark.parametrize("alert", TOLD_BY_ALL)
def test_what_all_hosts_see_fires_once(alert: str, tmp_path: Path) -> None:
    """Under one Prometheus."""
    case, rule = CASES[alert], named(alert)
    given = [entry for host in HOSTS for entry in series(case.fires, host)]
    (labels,) = fired(rule, given, case.after, tmp_path)
    assert "instance=" not in labels


@pytest.mark.parametrize("alert", DENIED_BY_OTHERS)
def test_a_host_that_sees_nobody_blames_no_other(alert: str, tmp_path: Path) -> None:
    case, rule = CASES[alert], named(alert)
    given = series(case.fires, HOSTS[0])
    given += [entry for host in HOSTS[1:] for entry in series(case.quiet, host)]
    assert not fired(rule, given, case.after, tmp_path)


@pytest.mark.parametrize("alert", ["TransactionIdsRunOut", "TransactionIdsAge"])
def test_what_standbys_repeat_is_told_by_the_primary(alert: str, tmp_path: Path) -> None:
    case, rule = CASES[alert], named(alert)
    given = [
        entry
        for host, standby in zip(HOSTS, "0111", strict=True)
        for entry in series(case.fires | {"pgstack_postgresql_standby": f"{standby}+0x300"}, host)
    ]
    (labels,) = fired(rule, given, case.after, tmp_path)
    assert f'instance="{HOSTS[0]}"' in labels


def test_an_exporter_that_is_gone_is_told_once(tmp_path: Path) -> None:
    case = CASES["ExporterSilent"]
    assert len(fired(named("ExporterSilent"), series(case.fires), case.after, tmp_path)) == 1


def test_an_exporter_that_never_answered_is_told(tmp_path: Path) -> None:
    assert len(fired(named("ExporterSilent"), series({"other": "0+0x40"}), 300, tmp_path)) == 1


def test_one_silent_exporter_is_noticed_beside_another(tmp_path: Path) -> None:
    rule = named("ExporterSilent")
    other = {'pgstack_up{source="plan",site="other"}': "1+0x40"}
    assert alerts(rule, up("plan", "1 _x40") | other, 450, tmp_path)
    assert not alerts(rule, up("plan", "1 1x40") | other, 450, tmp_path)


@pytest.mark.parametrize("own", page_rules.RULES, ids=lambda own: own.name)
def test_the_page_judges_as_the_rule_does(own: Rule) -> None:
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
