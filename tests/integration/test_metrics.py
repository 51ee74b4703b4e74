"""The exporter on real servers: every metric is there, a scrape never waits for what is locked or
stopped, and its login reads no row."""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from fixtures.killing import halted
from fixtures.local_stack import LocalStack, started
from fixtures.scraping import SOURCES, of, part, scraped, up
from pgstack.live.probes import exporter
from pgstack.metrics.exporter import declared as all_metrics
from pgstack.serving.watchdog import PAUSE_SECONDS

pytestmark = pytest.mark.integration
ABSENT = re.compile(
    "cluster_|balancer_|plan_backup|drill_|verify_|release_|backup_|certificate_"
    "|postgresql_(standby_|replication|slot|archive)"
)
"""metrics of what this stack has not"""
NAME = re.compile(r"(\w+)(?:\{(.*)\})? (\S+)")


def page(stack: LocalStack, path: str, **headers: str) -> requests.Response:
    return requests.get(f"{stack.url}/{path}", timeout=30, headers=headers)


def supervisorctl(stack: LocalStack, *words: str) -> None:
    command = [str(stack.supervisorctl), "-c", str(stack.directory / "supervisord.conf"), *words]
    subprocess.run(command, check=True, capture_output=True)


def test_every_metric_is_there(stack: LocalStack) -> None:
    text = exporter.scrape(part(stack))
    families = {family.name for family in text_string_to_metric_families(text)}
    declared = {metric.name.removesuffix("_total") for metric in all_metrics()}
    missing = {name for name in declared - families if not ABSENT.search(name)}
    assert missing == set()
    assert families - declared == set()
    assert up(scraped(stack)) == SOURCES


def test_requests_are_measured(stack: LocalStack) -> None:
    before = scraped(stack)
    for _ in range(20):
        assert page(stack, "queries?n=7").status_code == 200
    page(stack, "no-such-page")
    time.sleep(2 * PAUSE_SECONDS)
    after = scraped(stack)

    def rise(name: str, labels: str = "") -> float:
        return of(after, name, labels) - of(before, name, labels)

    assert rise("wsgi_responses_total", 'class="2xx"') >= 20
    assert rise("wsgi_responses_total", 'class="4xx"') >= 1
    assert rise("wsgi_statements_sum") >= 140
    assert rise("wsgi_statements_bucket", 'le="10"') >= 20
    assert 0 < rise("wsgi_database_seconds_sum") < rise("wsgi_application_seconds_sum")
    assert 0 < rise("wsgi_queue_seconds_sum") < 10
    assert rise("pgbouncer_transactions_total", 'database="app"') >= 140
    assert of(after, "wsgi_processes") == of(after, "plan_processes") == 2
    assert of(after, "postgresql_max_connections") == of(after, "plan_postgresql_connections")
    assert of(after, "pgbouncer_setting", 'name="default_pool_size"') == of(
        after, "plan_pool_size", 'database="app"'
    )


def test_what_was_answered_just_before_the_processes_end_is_counted(stack: LocalStack) -> None:
    answered = ("wsgi_responses_total", 'class="2xx"')
    before, apache = scraped(stack), int((stack.directory / "run/apache/apache2.pid").read_text())
    for _ in range(20):
        assert page(stack, "plain").status_code == 200
    os.kill(apache, signal.SIGTERM)
    stack.wait_until(lambda: not psutil.pid_exists(apache))
    after = scraped(stack)
    stack.wait_until(lambda: of(scraped(stack), "wsgi_processes") == 2)
    assert of(after, *answered) - of(before, *answered) >= 20


def test_a_release_takes_nothing_away_from_what_was_counted(stack: LocalStack) -> None:
    before = scraped(stack)
    assert stack.manage("stack_local", "release").returncode == 0
    page(stack, "db")
    after = scraped(stack)
    falls = [name for name in before if "_total" in name and after.get(name, 0) < before[name]]
    assert falls == []
    assert of(after, "wsgi_process_starts_total") - of(before, "wsgi_process_starts_total") == 2
    assert of(after, "wsgi_processes") == 2


def test_a_locked_table_holds_no_scrape_up_and_its_blocker_is_named(stack: LocalStack) -> None:
    lock = "BEGIN; LOCK TABLE world; SELECT pg_sleep(20)"
    blocker = stack.psql(lock)
    held = "SELECT count(*) FROM pg_locks WHERE granted AND mode = 'AccessExclusiveLock'"
    stack.wait_until(lambda: stack.sql(f"{held} AND relation = 'world'::regclass") == "1")
    asked = f"{stack.url}/updates?n=1"
    waiting = [
        subprocess.Popen(["curl", "-s", "-o", "/dev/null", asked], start_new_session=True)
        for _ in range(3)
    ]
    try:
        stack.wait_until(lambda: of(scraped(stack), "postgresql_lock_waiters") >= 3)
        samples = scraped(stack)
        assert up(samples) == SOURCES
        process = stack.sql("SELECT pid FROM pg_stat_activity WHERE query LIKE 'BEGIN; LOCK%'")
        assert of(samples, "postgresql_blocker_process") == int(process)
        assert of(samples, "postgresql_blocker_waiters") >= 3
        assert of(samples, "postgresql_blocker_transaction_seconds") > 0
        assert of(samples, "postgresql_oldest_transaction_process") == int(process)
        assert of(samples, "postgresql_waiting_backends", 'type="Lock"') >= 3
    finally:
        stack.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'BEGIN; LOCK%'"
        )
        for client in (blocker, *waiting):
            client.communicate(timeout=30)


def test_a_locked_catalogue_holds_no_scrape_up(stack: LocalStack) -> None:
    blocker = stack.psql("BEGIN; LOCK TABLE pg_catalog.pg_class; SELECT pg_sleep(6)")
    try:
        stack.wait_until(lambda: "postgresql" not in up(scraped(stack)), 6)
        assert up(scraped(stack)) >= {"plan", "wsgi", "apache"}
    finally:
        blocker.communicate(timeout=30)
    stack.wait_until(lambda: up(scraped(stack)) == SOURCES)


@pytest.mark.parametrize(
    ("server", "source"),
    [("postgres", "postgresql"), ("pgbouncer", "pgbouncer"), ("apache2", "apache")],
)
def test_a_stopped_server_holds_no_scrape_up(stack: LocalStack, server: str, source: str) -> None:
    with halted(stack, server):
        for _ in range(2):
            assert up(scraped(stack)) == SOURCES - {source, "site"}
    stack.wait_until(lambda: up(scraped(stack)) == SOURCES)


def test_a_restart_of_postgresql_is_no_gap(stack: LocalStack) -> None:
    supervisorctl(stack, "restart", "postgres")
    stack.wait_until(stack.answers)
    assert up(scraped(stack)) == SOURCES


def test_it_comes_back_when_it_was_killed(stack: LocalStack) -> None:
    old = int(stack.pid("metrics"))
    os.kill(old, signal.SIGKILL)
    stack.wait_until(lambda: int(stack.pid("metrics")) not in (0, old))
    stack.wait_until((stack.directory / "run/metrics/metrics.sock").exists)

    def answers() -> bool:
        try:
            return up(scraped(stack)) == SOURCES
        except Exception:  # noqa: BLE001 - it starts
            return False

    stack.wait_until(answers)


def test_only_its_directory_leads_to_it_and_no_port(stack: LocalStack) -> None:
    socket = Path(part(stack).socket)
    assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(socket.stat().st_mode) == 0o660
    assert psutil.Process(int(stack.pid("metrics"))).net_connections("tcp") == []


def test_workers_are_told_to_nobody_behind_a_proxy(stack: LocalStack) -> None:
    asked = {"Host": "workers.invalid"}
    assert "BusyWorkers" in page(stack, "?auto", **asked).text
    for header in ("X-Forwarded-For", "Forwarded", "Via"):
        refused = page(stack, "?auto", **asked, **{header: "192.0.2.1"})
        assert refused.status_code == 403
        assert "BusyWorkers" not in refused.text
    assert page(stack, "?auto", **asked).text.count("GET ") == 0


@pytest.fixture
def login(stack: LocalStack) -> Iterator[Any]:
    """What the exporter logs in as."""
    uid = os.geteuid()
    if uid == 0:
        os.seteuid(stack.directory.stat().st_uid)
    try:
        place = str(stack.directory / "run/postgres")
        connection = psycopg2.connect(host=place, user="app_monitor", dbname="app")
    finally:
        if uid == 0:
            os.seteuid(0)
    connection.autocommit = True
    with closing(connection):
        yield connection


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM public.world",
        "SELECT * FROM pg_authid",
        "COPY public.world TO STDOUT",
        "COPY (SELECT 1) TO PROGRAM 'id'",
        "SET ROLE app_owner",
        "SET ROLE app",
        "SET SESSION AUTHORIZATION postgres",
        "CREATE TABLE public.own ()",
        "CREATE TEMPORARY TABLE own ()",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT lo_import('/etc/passwd')",
    ],
)
def test_its_login_reads_no_row_and_becomes_nobody(login: Any, statement: str) -> None:
    with login.cursor() as cursor, pytest.raises(psycopg2.errors.InsufficientPrivilege):
        cursor.execute(statement)


def test_verify_and_status_see_that_it_is_away(stack: LocalStack) -> None:
    supervisorctl(stack, "stop", "metrics")
    try:
        status = stack.manage("stack_local", "status")
        assert status.returncode == 1
        assert "metrics   STOPPED" in status.stdout
        done = stack.manage("stack_verify")
        assert done.returncode == 1
        assert "exporter: " in " ".join(done.stdout.split())
    finally:
        supervisorctl(stack, "start", "metrics")
    stack.wait_until(lambda: stack.manage("stack_local", "status").returncode == 0)


def test_verify_sees_whom_it_is_opened_to(stack: LocalStack) -> None:
    directory = Path(part(stack).socket).parent
    directory.chmod(0o755)
    try:
        done = stack.manage("stack_verify")
        assert done.returncode == 1
        assert "is open to others" in " ".join(done.stdout.split())
    finally:
        directory.chmod(0o700)


def test_the_certificate_that_visitors_see_is_told(tls_stack: LocalStack) -> None:
    samples = scraped(tls_stack)
    left = of(samples, "certificate_expiry_timestamp_seconds") - time.time()
    assert 363 < left / 86400 <= 365
    assert all(value == 1 for name, value in samples.items() if name.startswith("pgstack_up"))


@pytest.mark.slow
def test_nothing_is_measured_where_nobody_wants_it() -> None:
    with started(STACK_OBSERVABILITY="off") as quiet:
        assert page(quiet, "db").status_code == 200
        assert page(quiet, "stack/").status_code == 404
        assert not (quiet.directory / "run/metrics").exists()
        assert not (quiet.directory / "run/measures").exists()
        assert page(quiet, "?auto", Host="workers.invalid").status_code == 421
        assert "metrics" not in quiet.manage("stack_local", "status").stdout
        assert quiet.manage("stack_verify").returncode == 0
