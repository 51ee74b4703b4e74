"""Items of docs/security.md that no other module holds, each seen to fail where it can be
opened."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import uuid
from contextlib import suppress
from pathlib import Path

import pytest
import requests

from fixtures.checklist import CATALOGUE, pooler_faults
from fixtures.local_stack import LocalStack, owner

pytestmark = pytest.mark.integration

NEEDLE = f"of-this-test-{uuid.uuid4().hex}"


@pytest.mark.parametrize("name", CATALOGUE)
def test_catalogue_holds_nothing_that_the_checklist_forbids(stack: LocalStack, name: str) -> None:
    question = CATALOGUE[name]
    assert stack.sql(question.query) == ""
    if question.open:
        stack.sql(question.open)
        try:
            assert stack.sql(question.query) != ""
        finally:
            stack.sql(question.close)


def pooler_files(stack: LocalStack) -> tuple[str, str, str]:
    ini, logins, rules = (
        (stack.directory / "conf/pgbouncer" / name).read_text()
        for name in ("pgbouncer.ini", "userlist.txt", "hba.conf")
    )
    return ini, logins, rules


OPENED = {
    "auth_type = any": (0, "auth_type = hba", "auth_type = any"),
    "a database for every name": (0, "[databases]", "[databases]\n* = host=/run"),
    "its socket is everybody's": (0, "unix_socket_mode = 0770", "unix_socket_mode = 0777"),
    "options are ignored": (0, "auth_type", "ignore_startup_parameters = options\nauth_type"),
    "somebody may change it": (0, "auth_type", "admin_users = app\nauth_type"),
    "auth_file holds a password in plain text": (1, '""', '"known"'),
    "rules let in without asking: ['local all all trust']": (
        2,
        "local",
        "local all all trust\nlocal",
    ),
    "max_client_conn has no limit": (0, "max_client_conn = ", "max_client_conn = 0\n; "),
}
"""faults, and in which of the files what makes them"""


def test_poolers_files_let_in_nobody_else(stack: LocalStack) -> None:
    assert pooler_faults(*pooler_files(stack)) == []
    mode = next((stack.directory / "run/pooler").glob(".s.PGSQL.*[0-9]")).stat().st_mode
    assert stat.S_IMODE(mode) & 0o007 == 0


@pytest.mark.parametrize("fault", OPENED)
def test_each_opening_of_the_poolers_files_is_seen(stack: LocalStack, fault: str) -> None:
    which, before, after = OPENED[fault]
    texts = list(pooler_files(stack))
    texts[which] = texts[which].replace(before, after, 1)
    assert pooler_faults(*texts) == [fault]


def ask(stack: LocalStack, role: str, database: str, command: str, **variables: str) -> str:
    """What PgBouncer says to a login of the stack's account or to its command; empty when both are
    taken."""
    place = str(stack.directory / "run/pooler")
    words = ["psql", "-XqAt", "-h", place, "-p", "6432", "-U", role, "-d", database, "-c", command]
    environment = {**os.environ, "PGCONNECT_TIMEOUT": "10", **variables}
    done = subprocess.run(
        owner(stack.directory, words),
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
    )
    return "" if done.returncode == 0 else done.stderr


def test_the_account_gets_in(stack: LocalStack) -> None:
    assert ask(stack, stack.directory.owner(), "app", "SELECT 1") == ""


@pytest.mark.parametrize("role", ["postgres", "app_owner", "app_monitor"])
def test_pooler_refuses_administrator_and_owner_as_it_does_a_name_that_is_none(
    stack: LocalStack, role: str
) -> None:
    refused = ask(stack, role, "app", "SELECT 1")
    assert "login rejected" in refused
    assert refused == ask(stack, "no_such_name", "app", "SELECT 1")


@pytest.mark.parametrize(
    "command", ["PAUSE", "SHUTDOWN", "RELOAD", "KILL app", "SET max_client_conn = 1"]
)
def test_nobody_changes_the_pooler_by_its_console(stack: LocalStack, command: str) -> None:
    assert ask(stack, stack.directory.owner(), "pgbouncer", "SHOW POOLS") == ""
    assert "admin access needed" in ask(stack, stack.directory.owner(), "pgbouncer", command)


def test_startup_options_are_refused(stack: LocalStack) -> None:
    account = stack.directory.owner()
    assert "unsupported startup parameter" in ask(
        stack, account, "app", "SELECT 1", PGOPTIONS="-c statement_timeout=0"
    )


def test_pooler_outlives_a_thousand_malformed_packets(stack: LocalStack) -> None:
    place, before = (
        next((stack.directory / "run/pooler").glob(".s.PGSQL.*[0-9]")),
        stack.pid("pgbouncer"),
    )
    shapes = (
        b"",
        b"\0",
        b"\xff" * 8,
        b"\0\0\0\x08\x04\xd2\x16\x2f",
        b"\0\0\0\x04",
        b"\x7f\xff\xff\xff\0\3\0\0",
        b"Q\0\0\0\0",
    )
    for number in range(1000):
        with socket.socket(socket.AF_UNIX) as client, suppress(OSError):
            client.connect(str(place))
            client.sendall(shapes[number % len(shapes)] + bytes([number % 256]) * (number % 50))
    assert stack.pid("pgbouncer") == before
    assert stack.answers()


def logs(stack: LocalStack) -> dict[str, str]:
    files = [path for path in (stack.directory / "log").iterdir() if path.is_file()]
    return {path.name: path.read_text(errors="replace") for path in files}


def test_a_known_secret_is_in_no_log(stack: LocalStack) -> None:
    key = (
        next(path for path in Path(stack.directory).rglob("django_secret_key")).read_text().strip()
    )
    requests.post(
        f"{stack.url}/ledger/transfers",
        json={"password": NEEDLE},
        timeout=10,
        headers={"Authorization": f"Bearer {NEEDLE}", "Cookie": f"sessionid={NEEDLE}"},
    )
    # Apache writes a line once the answer is gone.
    stack.wait_until(lambda: any("/ledger/transfers" in text for text in logs(stack).values()))
    assert [name for name, text in logs(stack).items() if NEEDLE in text or key in text] == []


def test_cookies_are_for_this_site_and_no_script(stack: LocalStack) -> None:
    cookie = requests.get(f"{stack.url}/ledger/", timeout=10).headers.get("Set-Cookie", "")
    assert "csrftoken=" in cookie
    assert {"HttpOnly", "SameSite=Strict"} <= {part.strip() for part in cookie.split(";")}


def test_python_runs_in_its_own_processes_as_neither_root_nor_www_data(stack: LocalStack) -> None:
    assert "WSGIRestrictEmbedded On" in (stack.directory / "conf/apache/site.conf").read_text()
    accounts = {process.username() for process in stack.daemons()}
    assert accounts
    assert not accounts & {"root", "www-data"}
