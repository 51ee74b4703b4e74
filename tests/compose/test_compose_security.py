"""Items of docs/security.md that no other module holds in containers; tests/integration has what
opens each."""

from __future__ import annotations

import http.client

import pytest
from compose_stack import ComposeStack

from fixtures.checklist import CATALOGUE, pooler_faults

pytestmark = pytest.mark.compose

CONSOLE = """
import sys, psycopg2
console = psycopg2.connect(host="/run/stack/pooler/current", port=6432, user=sys.argv[1], dbname="pgbouncer")
console.autocommit = True
console.cursor().execute(sys.argv[2])
"""


@pytest.mark.parametrize("name", CATALOGUE)
def test_catalogue_holds_nothing_that_the_checklist_forbids(stack: ComposeStack, name: str) -> None:
    assert stack.sql(CATALOGUE[name].query) == ""


def test_poolers_files_let_in_nobody_else(stack: ComposeStack) -> None:
    names = ("pgbouncer.ini", "userlist.txt", "hba.conf")
    texts = [
        stack.execute("pgbouncer", "cat", f"/etc/stack/pgbouncer/{name}").stdout for name in names
    ]
    assert pooler_faults(*texts) == []
    mode = stack.execute(
        "pgbouncer", "stat", "--format=%a", "/run/stack/pooler/current/.s.PGSQL.6432"
    ).stdout.strip()
    assert mode == "770"


def console(stack: ComposeStack, role: str, command: str) -> str:
    """What PgBouncer's console says to the web's account; empty when it does what it is told."""
    done = stack.python(CONSOLE, role, command, account="app")
    return "" if done.returncode == 0 else done.stderr


@pytest.mark.parametrize("role", ["app", "pgbouncer", "postgres", "app_owner"])
def test_console_is_for_one_role_that_is_not_the_webs(stack: ComposeStack, role: str) -> None:
    assert "FATAL: " in console(stack, role, "SHOW POOLS")


def test_that_role_changes_nothing(stack: ComposeStack) -> None:
    assert console(stack, "app_monitor", "SHOW POOLS") == ""
    for command in ("PAUSE", "RELOAD", "SET max_client_conn = 1"):
        assert "admin access needed" in console(stack, "app_monitor", command)


def test_python_runs_in_its_own_processes_as_neither_root_nor_www_data(stack: ComposeStack) -> None:
    assert (
        "WSGIRestrictEmbedded On"
        in stack.execute("web", "cat", "/etc/stack/apache/site.conf").stdout
    )
    listing = stack.run("docker", "top", stack.container("web"), "-eo", "pid,uid,args").stdout
    accounts = {line.split()[1] for line in listing.splitlines() if "(wsgi:" in line}
    assert accounts == {"5003"}


@pytest.mark.parametrize(
    ("method", "path", "host", "status"),
    [
        ("TRACE", "/", "localhost", 405),
        ("GET", "/static/", "localhost", 404),
        ("GET", "/.git/config", "localhost", 404),
        ("GET", "/.env", "localhost", 404),
        ("GET", "/static/..%2f..%2fconf%2fplan.json", "localhost", 404),
        ("GET", "/config/wsgi.py", "localhost", 404),
        ("GET", "/", "elsewhere.example", 421),
        ("GET", "/" + "x" * 9000, "localhost", 414),
        ("GET", "/%00", "localhost", 404),
        ("GET", "/queries?n=%ff%fe", "localhost", 200),
    ],
)
def test_answer_tells_nothing_and_is_no_error_of_the_server(
    stack: ComposeStack, method: str, path: str, host: str, status: int
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", stack.port, timeout=10)
    connection.request(method, path, headers={"Host": host})
    answer = connection.getresponse()
    told = answer.read().decode(errors="replace")
    connection.close()
    assert (answer.status, answer.headers["Server"], answer.headers["X-Powered-By"]) == (
        status,
        "Apache",
        None,
    )
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert host == "localhost" or host not in told


def test_key_is_in_no_log(stack: ComposeStack) -> None:
    key = stack.execute("web", "cat", "/etc/stack-secrets/django_secret_key").stdout.strip()
    assert len(key) > 30
    assert key not in stack.compose("logs", "--no-color").stdout
