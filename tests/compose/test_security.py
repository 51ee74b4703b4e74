"""Items of docs/security.md that no other module holds in containers; tests/integration has what opens each."""

from __future__ import annotations

import http.client
import subprocess

import pytest
from compose_stack import ComposeStack

from fixtures.checklist import CATALOGUE, pooler_faults

pytestmark = pytest.mark.compose

CONSOLE = """
import sys, psycopg2
psycopg2.connect(host="/run/stack/pooler", port=6432, user=sys.argv[1], dbname="pgbouncer")
"""


@pytest.mark.parametrize("name", CATALOGUE)
def test_catalogue_holds_nothing_that_the_checklist_forbids(stack: ComposeStack, name: str) -> None:
    assert stack.sql(CATALOGUE[name].query) == ""


def test_poolers_files_let_in_nobody_else(stack: ComposeStack) -> None:
    names = ("pgbouncer.ini", "userlist.txt", "hba.conf")
    texts = [stack.execute("pgbouncer", "cat", f"/etc/stack/pgbouncer/{name}").stdout for name in names]
    assert pooler_faults(*texts) == []
    mode = stack.execute("pgbouncer", "stat", "--format=%a", "/run/stack/pooler/.s.PGSQL.6432").stdout.strip()
    assert mode == "770"


@pytest.mark.parametrize(("account", "role"), [("app", "app"), ("app", "app_monitor"), ("app", "pgbouncer")])
def test_console_is_not_for_the_web(stack: ComposeStack, account: str, role: str) -> None:
    done = stack.compose(
        "run", "--rm", "--no-deps", "--no-TTY", f"--user={account}", "--entrypoint=python", "manage", "-c", CONSOLE,
        role, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "rejected" in done.stderr or "failed" in done.stderr


def test_python_runs_in_its_own_processes_as_neither_root_nor_www_data(stack: ComposeStack) -> None:
    assert "WSGIRestrictEmbedded On" in stack.execute("web", "cat", "/etc/stack/apache/site.conf").stdout
    found = subprocess.run(
        ["docker", "top", stack.container("web"), "-o", "user,args"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    accounts = {line.split()[0] for line in found if "(wsgi:" in line}
    assert accounts
    assert not accounts & {"root", "www-data"}


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
    assert (answer.status, answer.headers["Server"], answer.headers["X-Powered-By"]) == (status, "Apache", None)
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert host == "localhost" or host not in told


def test_key_is_in_no_log(stack: ComposeStack) -> None:
    key = stack.execute("web", "cat", "/etc/stack-secrets/django_secret_key").stdout.strip()
    assert len(key) > 30
    assert key not in stack.compose("logs", "--no-color").stdout
