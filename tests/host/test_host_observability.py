"""Prometheus, Alertmanager and the node exporter on a Debian 13 host: an alert and its end reach
receivers on the host itself, and nothing listens but on the loopback address."""

from __future__ import annotations

import json
import math
import re
import shlex
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import projects
import pytest
from attacks import as_account
from changes import COMMANDS
from deployed_host import deployed_host
from systemd_host import INPUTS, SystemdHost, changed
from watched_host import asked, firing, give, listening, restart, ruleset, verified, visit

from fixtures import told
from fixtures.receivers import Receivers, wait
from fixtures.releases import CLUSTER, NEWEST_POSTGRESQL, NEWEST_SUITE

pytestmark = [pytest.mark.host, pytest.mark.slow, pytest.mark.timeout(1500)]

HTTP, SMTP, FILE = 9990, 9991, "/var/log/told"
SECRETS = {
    "webhook": f"http://127.0.0.1:{HTTP}/people",
    "watchdog": f"http://127.0.0.1:{HTTP}/dead",
}
FULL: dict[str, Any] = {
    **INPUTS,
    "observability": "full",
    "alert_mail": "ops@shop.example",
    "alert_smtp": f"127.0.0.1:{SMTP}",
    "alert_webhook_file": "/root/webhook",
    "alert_watchdog_file": "/root/watchdog",
}
PORTS = {9090, 9093, 9100}
UNITS = ("prometheus", "prometheus-alertmanager", "prometheus-node-exporter")
ENOUGH_MEMORY, TOO_MUCH_MEMORY = "400M", "length(repeat('x', 900000000))"
"""for PostgreSQL as planned there; and what one session asks for"""
LOG_OF_CLUSTER = f"/var/log/postgresql/postgresql-{NEWEST_POSTGRESQL}-main.log"
FORGOTTEN_SECONDS = 700
"""for which a kill counts, and more"""
UNTIL_FIRES_SECONDS, UNTIL_ENDS_SECONDS = 120, 150
SCRAPE_SECONDS, LOOKED_AT_SECONDS = 15, 150
"""after the last change for as long as the longest wait of a page that one could raise, and more"""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SystemdHost]:
    """A host with all of it, and with receivers."""
    with deployed_host(NEWEST_SUITE, tmp_path_factory.mktemp("host")) as booted:
        give(booted, Path(told.__file__).read_text(), "/root/told.py")
        words = ("python3", "/root/told.py", str(HTTP), str(SMTP), FILE)
        booted.run("systemd-run", "--quiet", "--unit=told", *words)
        for name, line in SECRETS.items():
            give(booted, f"{line}\n", f"/root/{name}")
        before = ruleset(booted)
        booted.played("site.yml", stack_inputs=FULL)
        assert ruleset(booted) == before
        yield booted


@pytest.fixture(scope="module")
def receivers(host: SystemdHost) -> Receivers:
    return Receivers(lambda: host.run("cat", FILE, check=False).stdout, "/people")


def test_nothing_listens_but_on_the_loopback_address(host: SystemdHost) -> None:
    """Neither now nor since the packages came: each said then where it listened."""
    sockets = {(address, port) for address, port in listening(host) if port in {*PORTS, 9094}}
    assert sockets == {("0100007F", port) for port in PORTS}
    units = [f"--unit={name}" for name in UNITS]
    journal = host.run("journalctl", "--output=cat", *units).stdout
    places = re.findall(r"(?:Listening on|address=|listenAddress=)[^\n]*?(\S+):(\d{4})\b", journal)
    assert {port for _, port in places} >= {"9090", "9093", "9100"}
    assert {place.rpartition("=")[2].strip('"') for place, _ in places} == {"127.0.0.1"}


def test_all_that_is_asked_answers_and_the_rules_are_read(host: SystemdHost) -> None:
    def up() -> bool:
        targets = asked(host, "/api/v1/targets")["activeTargets"]
        return len(targets) == 4 and {target["health"] for target in targets} == {"up"}

    wait(up, 60, "answer of all targets")
    groups = asked(host, "/api/v1/rules")["groups"]
    assert {rule["health"] for group in groups for rule in group["rules"]} <= {"ok", "unknown"}
    status = host.run("stackctl", "status").stdout
    assert re.search(r"^prometheus runs$", status, re.MULTILINE), status
    size = asked(host, "/api/v1/query?query=node_filesystem_avail_bytes")["result"]
    assert size


EVERY_DAY: dict[str, tuple[str, ...]] = {
    **COMMANDS,
    "an upgrade in the night": (
        *("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "--reinstall", "--yes"),
        *("apache2-bin", "libapache2-mod-wsgi-py3", "pgbouncer"),
    ),
    "a backup": ("systemctl", "start", "stack-backup@incr.service"),
    "verify in the night": ("systemctl", "start", "stack-verify.service"),
}


def test_what_is_done_every_day_raises_no_alert(host: SystemdHost, tmp_path: Path) -> None:
    """With visitors; asked for what has fired at any time since."""
    release = {**FULL, **projects.inputs(projects.make(tmp_path / "two", "two"))}
    begun = time.monotonic()
    with ThreadPoolExecutor(1) as visitors:
        over = threading.Event()
        failed = visitors.submit(visit, host, over)
        try:
            for playbook in ("deploy.yml", "rollback.yml"):
                host.played(playbook, stack_inputs=release)
            for words in EVERY_DAY.values():
                host.run(*words)
                time.sleep(2 * SCRAPE_SECONDS)
            time.sleep(LOOKED_AT_SECONDS)
        finally:
            over.set()
    seconds = math.ceil(time.monotonic() - begun)
    query = quote(f'count_over_time(ALERTS{{alertstate="firing"}}[{seconds}s])')
    fired = asked(host, f"/api/v1/query?query={query}")["result"]
    assert {alert["metric"]["alertname"] for alert in fired} == {"Watchdog"}
    assert failed.result() == []


def test_an_alert_and_its_end_reach_the_receivers(host: SystemdHost, receivers: Receivers) -> None:
    host.run("systemctl", "stop", CLUSTER)
    fired = wait(lambda: bool(receivers.seen("PostgreSQLDown")), UNTIL_FIRES_SECONDS, "alert")
    assert receivers.seen("PostgreSQLDown") == ["firing"]
    wait(lambda: "PostgreSQLDown" in str(receivers.came("mail")), 30, "mail")
    host.run("systemctl", "start", CLUSTER)
    ended = wait(lambda: "resolved" in receivers.seen("PostgreSQLDown"), UNTIL_ENDS_SECONDS, "end")
    print(f"PostgreSQLDown came after {fired:.0f} s, its end {ended:.0f} s")


def test_a_session_that_is_killed_for_want_of_memory_is_told(host: SystemdHost) -> None:
    """By the kernel, in the control group of PostgreSQL's unit; the host has more."""
    set_limit = ("systemctl", "set-property", "--runtime", CLUSTER)
    psql = ("runuser", "-u", "postgres", "--", "psql", "-Xqh", "/run/stack/postgres", "-dapp")
    host.run(*set_limit, f"MemoryMax={ENOUGH_MEMORY}")
    try:
        done = host.run(*psql, f"-cSELECT {TOO_MUCH_MEMORY}", check=False)
    finally:
        host.run(*set_limit, "MemoryMax=infinity")
    assert "server closed the connection unexpectedly" in done.stderr
    assert "was terminated by signal 9" in host.run("cat", LOG_OF_CLUSTER).stdout
    fired = wait(lambda: "ServerRestarts" in firing(host), UNTIL_FIRES_SECONDS, "alert")
    ended = wait(lambda: "ServerRestarts" not in firing(host), FORGOTTEN_SECONDS, "end")
    print(f"ServerRestarts fired after {fired:.0f} s, and ended {ended:.0f} s later")


def test_the_watchdog_comes_again_and_again_to_its_own_receiver(receivers: Receivers) -> None:
    wait(lambda: len(receivers.came("/dead")) > 1, 300, "second sign of life")
    assert {message["commonLabels"]["alertname"] for message in receivers.came("/dead")} == {
        "Watchdog"
    }
    assert not receivers.seen("Watchdog")


def test_secrets_are_read_by_nobody_else(host: SystemdHost) -> None:
    live = "/etc/stack/live/observability"
    status = host.run("stat", "--format=%a %U", live, f"{live}/alertmanager.yml").stdout
    assert status.split("\n")[:2] == ["700 root", "600 root"]
    assert not as_account(host, "app", f"cat {live}/alertmanager.yml")
    plain = host.run("cat", "/etc/stack/observability/alertmanager.yml", "/etc/stack/plan.json")
    assert "/people" not in plain.stdout
    shown = host.run("systemctl", "show", *UNITS).stdout
    assert "/people" not in shown


def test_they_run_as_lesser_accounts_within_what_was_planned(host: SystemdHost) -> None:
    for name in UNITS:
        shown = host.run(
            "systemctl", "show", "--property=User,MemoryMax,MemoryCurrent,MainPID,NRestarts", name
        ).stdout
        values = dict(line.partition("=")[::2] for line in shown.splitlines())
        rss = host.run("grep", "-E", "VmHWM|RssAnon", f"/proc/{values['MainPID']}/status").stdout
        print(name, values, rss.split())
        assert (values["User"], values["NRestarts"]) == ("prometheus", "0")


def test_a_second_run_changes_nothing(host: SystemdHost) -> None:
    done = host.play("site.yml", stack_inputs=FULL)
    assert (done.returncode, changed(done)) == (0, 0), done.stdout[-4000:]


def test_a_secret_that_cannot_be_used_is_one_message(host: SystemdHost) -> None:
    give(host, "hooks.example/T1\n", "/root/webhook")
    done = host.run("stackctl", "apply", "observability", check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("stackctl: stack_inputs.alert_webhook_file=/root/webhook: ")
    assert "T1" not in done.stderr
    assert host.run("stackctl", "status").returncode == 0
    give(host, f"{SECRETS['webhook']}\n", "/root/webhook")
    assert "unchanged" in host.run("stackctl", "apply", "observability").stdout


def test_the_page_has_days_for_who_may_see_it(host: SystemdHost) -> None:
    code = (
        "import urllib.request as r; "
        "print(r.urlopen('http://127.0.0.1:8400/stack/history.json?range=6h').read().decode())"
    )
    told = json.loads(host.run("python3", "-c", code).stdout)
    assert told["lines"]["cpu"][-1] is not None
    assert "plan" in {mark["kind"] for mark in told["marks"]}
    assert not as_account(host, "app", f"python3 -c {shlex.quote(code)}")


def test_a_question_that_would_take_all_memory_is_refused(host: SystemdHost) -> None:
    """Any account may ask; this is for a value of each second of everything that is there."""
    query = quote('last_over_time({__name__=~".+"}[15m:1s])')
    code = (
        "import urllib.request as r, urllib.error as e\n"
        f"try: r.urlopen('http://127.0.0.1:9090/api/v1/query?query={query}')\n"
        "except e.HTTPError as error: print(error.read().decode())"
    )
    answer = host.run("runuser", "-u", "nobody", "--", "python3", "-c", code).stdout
    assert "too many samples" in answer
    show = ("systemctl", "show", "--property=NRestarts", "--value", "prometheus")
    assert host.run(*show).stdout.strip() == "0"


def test_verify_proves_that_they_watch_as_planned(host: SystemdHost) -> None:
    assert verified(host)["detail"] == (
        "ports 9090, 9093, 9100 on the loopback address; 4 targets up; 33 rules; keeps 15d, 1GB"
    )
    assert host.run("stackctl", "verify").returncode == 0
    unit = host.run("systemctl", "cat", "prometheus").stdout
    start = re.findall(r"^ExecStart=(/\S+ .*)$", unit, re.MULTILINE)[-1]
    longer = start.replace("retention.time=15d", "retention.time=16d")
    drop_ins = "/run/systemd/system/prometheus.service.d"
    host.run("mkdir", "-p", drop_ins)
    give(host, f"[Service]\nExecStart=\nExecStart={longer}\n", f"{drop_ins}/zz.conf")
    try:
        restart(host)
        assert verified(host)["detail"] == (
            "Prometheus runs with storage.tsdb.retention.time=16d, planned 15d"
        )
    finally:
        host.run("rm", "-r", drop_ins)
        restart(host)


def test_they_go_when_they_are_not_wanted_any_more(host: SystemdHost) -> None:
    host.played("site.yml", stack_inputs=INPUTS)
    assert not {port for _, port in listening(host)} & PORTS
    for name in UNITS:
        state = host.run("systemctl", "is-enabled", name, check=False).stdout.strip()
        assert state == "disabled"
    assert host.run("ls", "/etc/systemd/system/prometheus.service.d", check=False).returncode


def test_an_uninstalled_host_keeps_what_was_measured_until_that_is_deleted(
    host: SystemdHost,
) -> None:
    """Site.yml takes it up again; the packages stay."""
    history = ("/var/lib/prometheus/stack", "/var/lib/prometheus/stack-alerts")
    for inputs, words in ((FULL, ()), (FULL, ("-e", "data=delete"))):
        host.played("site.yml", stack_inputs=inputs)
        gone = host.played("uninstall.yml", "-e", "confirm=yes", *words, stack_inputs=inputs)
        assert not {port for _, port in listening(host)} & PORTS
        for name in UNITS:
            state = host.run("systemctl", "is-enabled", name, check=False).stdout.strip()
            assert state == "disabled"
            drop_ins = f"/etc/systemd/system/{name}.service.d"
            assert host.run("ls", drop_ins, check=False).returncode
        assert host.run("ls", "/etc/stack", check=False).returncode
        kept = host.run("ls", "-d", *history, check=False).stdout.split()
        assert kept == ([] if words else list(history))
        assert (history[0] in gone.stdout.partition("Say what was kept")[2]) == (not words)
        installed = host.run("dpkg-query", "--show", *UNITS).stdout
        assert len(installed.splitlines()) == 3
