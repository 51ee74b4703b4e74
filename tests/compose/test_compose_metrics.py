"""The exporter in a container: figures of every server, and an account that reads no row and gets
in nowhere else."""

from __future__ import annotations

import re
import time

import pytest
import requests
from compose_stack import ComposeStack

pytestmark = pytest.mark.compose

SCRAPE = ("python", "-m", "pgstack.metrics", "scrape")
UP = re.compile(r'^pgstack_up\{source="(\w+)"\} (\S+)', re.MULTILINE)
LOGIN = """
import sys, psycopg2
host, port, user, database, statement = sys.argv[1:]
connection = psycopg2.connect(host=host, port=port, user=user, dbname=database)
connection.autocommit = True
with connection.cursor() as cursor:
    cursor.execute(statement)
    print(cursor.fetchall())
"""
POSTGRES, POOLER = ("/run/stack/postgres", "5432"), ("/run/stack/pooler/current", "6432")


def asked(stack: ComposeStack, *words: str) -> str:
    """What the exporter's account is answered, wherever it tries."""
    done = stack.compose("exec", "-T", "metrics", "python", "-c", LOGIN, *words, check=False)
    return done.stdout + done.stderr


def test_it_has_figures_of_every_server(stack: ComposeStack) -> None:
    assert stack.get("/db")[0] == 200
    text = stack.execute("metrics", *SCRAPE).stdout
    assert dict(UP.findall(text)) == dict.fromkeys(
        ("plan", "machine", "postgresql", "pgbouncer", "apache", "site", "wsgi"), "1.0"
    )
    samples = dict(re.findall(r"^(pgstack_\w+) (\S+)", text, re.MULTILINE))
    assert float(samples["pgstack_wsgi_statements_sum"]) >= 1
    assert samples["pgstack_wsgi_processes"] == samples["pgstack_plan_processes"]
    assert float(samples["pgstack_apache_busy_workers"]) >= 1
    assert (
        samples["pgstack_postgresql_max_connections"]
        == (samples["pgstack_plan_postgresql_connections"])
    )


@pytest.mark.parametrize(
    ("place", "user", "database", "statement", "answer"),
    [
        (POSTGRES, "app_monitor", "app", "SELECT 1", "[(1,)]"),
        (POSTGRES, "app_monitor", "app", "SELECT * FROM public.world", "permission denied"),
        (POSTGRES, "app_monitor", "app", "SET ROLE app_owner", "permission denied"),
        (POSTGRES, "app", "app", "SELECT 1", "Peer authentication failed"),
        (POSTGRES, "app_owner", "app", "SELECT 1", "Peer authentication failed"),
        (POSTGRES, "postgres", "app", "SELECT 1", "Peer authentication failed"),
        (POOLER, "app_monitor", "pgbouncer", "SHOW POOLS", "app"),
        (POOLER, "app_monitor", "pgbouncer", "PAUSE", "admin access needed"),
        (POOLER, "app_monitor", "app", "SELECT 1", "login rejected"),
        (POOLER, "app", "app", "SELECT 1", "login rejected"),
        (POOLER, "pgbouncer", "pgbouncer", "SHOW POOLS", "no authentication method is found"),
    ],
)
def test_its_account_looks_and_does_nothing_else(
    stack: ComposeStack,
    place: tuple[str, str],
    user: str,
    database: str,
    statement: str,
    answer: str,
) -> None:
    assert answer in asked(stack, *place, user, database, statement)


def test_it_listens_on_a_socket_alone_and_has_no_secret(stack: ComposeStack) -> None:
    seen = stack.execute("metrics", "python", "-c", "import os; print(os.listdir('/proc/1/fd'))")
    assert seen.returncode == 0
    mode = stack.execute("metrics", "stat", "-c", "%a %U %G", "/run/stack/metrics/metrics.sock")
    assert mode.stdout == "660 metrics sockets\n"
    for place in ("/etc/stack-secrets", "/etc/stack-tls", "/var/lib/stack-media"):
        done = stack.compose("exec", "-T", "metrics", "ls", place, check=False)
        assert done.stdout.strip() in ("", "private\npublic"), "what the image has, and no volume"
    assert not stack.inspect("metrics")["HostConfig"]["PortBindings"]


def test_a_page_changes_none_of_its_files_but_its_own(stack: ComposeStack) -> None:
    write = "open('/run/stack/measures/process-0', 'r+')"
    done = stack.compose("exec", "-T", "metrics", "python", "-c", write, check=False)
    assert "Read-only file system" in done.stderr or "Permission denied" in done.stderr


def test_the_site_shows_its_page_to_whom_an_address_was_given(stack: ComposeStack) -> None:
    assert stack.get("/stack/")[0] == 403
    address = stack.run("make", "-s", "page", "TARGET=compose").stdout.strip().splitlines()[-1]
    with requests.Session() as visitor:
        page = visitor.get(stack.url + address[address.index("/stack/?") :], timeout=30)
        assert (page.status_code, page.url) == (200, f"{stack.url}/stack/")
        assert "Stack status" in page.text
        deadline = time.monotonic() + 30
        while not (figures := visitor.get(f"{page.url}figures.json", timeout=30).json()).get(
            "time"
        ):
            assert time.monotonic() < deadline
            time.sleep(1)
    assert figures["down"] == []
    assert figures["limits"]["threads"] > 0
    for name in ("workers", "threads", "pool", "active", "cpu", "memory", "disk_free"):
        assert figures["lines"][name][-1] is not None, name


@pytest.mark.slow
def test_nothing_runs_where_nobody_wants_it(compose_stack: ComposeStack) -> None:
    off = compose_stack.with_inputs({"STACK_OBSERVABILITY": "off"})
    refused = off.run("make", "-s", "reload", "TARGET=compose", check=False)
    assert "STACK_OBSERVABILITY=off: the exporter is started and ended by `make up` only" in (
        refused.stderr
    )
    off.up()
    try:
        assert off.verifies()
        assert off.get("/db")[0] == 200
        assert off.execute("metrics", "ls", "/run/stack/measures").stdout == ""
    finally:
        compose_stack.up()
        compose_stack.wait_until_steady()
