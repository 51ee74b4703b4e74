"""stack_verify on the real stack: green as planned, red with the right finding after each
sabotage."""

from __future__ import annotations

import json
import re
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from fixtures.local_stack import LocalStack


def findings(stack: LocalStack) -> tuple[int, dict[str, str]]:
    """Exit code, and what was found wrong, by check."""
    done = stack.manage("stack_verify", "--json")
    assert done.stdout.startswith("["), done.stderr
    rows = json.loads(done.stdout)
    assert len(rows) == 22
    assert all(row["remedy"] for row in rows if row["holds"] is False)
    return done.returncode, {row["check"]: row["found"] for row in rows if row["holds"] is False}


def psql(stack: LocalStack, port: int, user: str, database: str, *commands: str) -> None:
    """Statements as the stack's own account."""
    directory = stack.directory / "run" / ("postgres" if port == 5432 else "pooler")
    done = subprocess.run(
        [
            "runuser",
            "-u",
            stack.directory.owner(),
            "--",
            "psql",
            "-Xq",
            "-h",
            str(directory),
            "-p",
            str(port),
            "-U",
            user,
            "-d",
            database,
            *(part for command in commands for part in ("-c", command)),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
    )
    assert done.returncode == 0, done.stderr


def restart(stack: LocalStack, program: str) -> None:
    """One server, by its supervisor."""
    configuration = str(stack.directory / "supervisord.conf")
    subprocess.run(
        [str(stack.supervisorctl), "-c", configuration, "restart", program],
        check=True,
        capture_output=True,
    )


def wait_until_ready(stack: LocalStack) -> None:
    """Until a query through the pooler comes back, for 20 s at most."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with suppress(OSError), urllib.request.urlopen(f"{stack.url}/readyz", timeout=5) as answer:
            if answer.status == 200:
                return
        time.sleep(0.1)
    raise AssertionError(stack.logs())


@contextmanager
def edited(
    stack: LocalStack, name: str, pattern: str, replacement: str, program: str
) -> Iterator[None]:
    """A rendered file edited by hand, its server restarted; then the same with the old text."""
    path = stack.directory / "conf" / name
    text = path.read_text()
    changed = re.sub(pattern, replacement, text)
    assert changed != text
    path.write_text(changed)
    try:
        restart(stack, program)
        wait_until_ready(stack)
        yield
    finally:
        path.write_text(text)
        restart(stack, program)
        wait_until_ready(stack)


@contextmanager
def traffic(stack: LocalStack) -> Iterator[None]:
    """One keep-busy client of a page that reads a row."""
    over = threading.Event()

    def load() -> None:
        while not over.is_set():
            with suppress(OSError), urllib.request.urlopen(f"{stack.url}/db", timeout=5) as answer:
                answer.read()

    client = threading.Thread(target=load)
    client.start()
    try:
        yield
    finally:
        over.set()
        client.join()


@contextmanager
def bypassed(stack: LocalStack) -> Iterator[None]:
    """Daemon processes that hold a plan in which PostgreSQL's socket is the pooler's."""
    path = stack.directory / "conf/plan.json"
    planned = path.read_text()
    direct = re.sub(
        r'"run_pooler": "[^"]*"', f'"run_pooler": "{stack.directory}/run/postgres"', planned
    )
    direct = direct.replace('"port": 6432', '"port": 5432')
    direct = re.sub(r'"web_login": "[^"]*"', '"web_login": "app"', direct)
    direct = direct.replace(
        '"peer_maps": false', '"peer_maps": true'
    )  # the login is the role's, not the account's
    try:
        path.write_text(direct)
        restart(stack, "apache")
        wait_until_ready(stack)
        path.write_text(planned)  # verify reads the right one
        yield
    finally:
        path.write_text(planned)
        restart(stack, "apache")
        wait_until_ready(stack)


def test_verify_is_green_on_the_planned_stack(stack: LocalStack) -> None:
    assert findings(stack) == (0, {})


def test_verify_is_green_under_load(stack: LocalStack) -> None:
    with traffic(stack), traffic(stack), traffic(stack), traffic(stack):
        assert findings(stack) == (0, {})


def test_verify_sees_session_pooling(stack: LocalStack) -> None:
    psql(stack, 6432, "pgbouncer", "pgbouncer", "SET pool_mode = 'session'", "RECONNECT")
    try:
        code, red = findings(stack)
    finally:
        psql(stack, 6432, "pgbouncer", "pgbouncer", "SET pool_mode = 'transaction'", "RECONNECT")
    assert code == 1
    assert red["PgBouncer runs the plan"] == "pool_mode: planned 'transaction', live 'session'"
    assert "clients at a time do not get a transaction each" in red["clients share backends"]


def test_verify_sees_session_pooling_of_the_database_alone(stack: LocalStack) -> None:
    path = stack.directory / "conf/pgbouncer/pgbouncer.ini"
    planned = path.read_text()
    path.write_text(planned.replace(" user=app ", " user=app pool_mode=session "))
    try:
        psql(stack, 6432, "pgbouncer", "pgbouncer", "RELOAD", "RECONNECT")
        code, red = findings(stack)
    finally:
        path.write_text(planned)
        psql(stack, 6432, "pgbouncer", "pgbouncer", "RELOAD", "RECONNECT")
    assert code == 1
    assert (
        "database app pool_mode: planned 'transaction', live 'session'"
        in red["PgBouncer runs the plan"]
    )


@pytest.mark.parametrize(
    ("sabotage", "repair", "found"),
    [
        ("GRANT app_owner TO app", "REVOKE app_owner FROM app", "app is member of app_owner"),
        (
            "ALTER TABLE world OWNER TO app",
            (
                "ALTER TABLE world OWNER TO app_owner; GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE "
                "ON world TO app"
            ),
            "app owns table public.world",
        ),
        (
            "GRANT CREATE ON SCHEMA public TO app",
            "REVOKE CREATE ON SCHEMA public FROM app",
            "app may create in schema public",
        ),
    ],
)
def test_verify_sees_a_web_role_with_too_many_rights(
    stack: LocalStack, sabotage: str, repair: str, found: str
) -> None:
    psql(stack, 5432, "postgres", "app", sabotage)
    try:
        code, red = findings(stack)
    finally:
        psql(stack, 5432, "postgres", "app", repair)
    assert code == 1
    assert list(red) == ["web role cannot DDL"], red
    assert found in red["web role cannot DDL"]


def test_verify_sees_postgresql_on_tcp(stack: LocalStack) -> None:
    edit = (
        "postgres/pgstack.conf",
        r"listen_addresses = ''",
        "listen_addresses = '127.0.0.1'",
        "postgres",
    )
    with edited(stack, *edit):
        code, red = findings(stack)
    assert code == 1
    assert red["only Apache listens on TCP"] == (
        "a listener on TCP port 5432; PostgreSQL runs with listen_addresses = '127.0.0.1'"
    )


def test_verify_sees_a_thread_count_edited_by_hand(stack: LocalStack) -> None:
    with edited(stack, "apache/site.conf", r"threads=4", "threads=3", "apache"):
        code, red = findings(stack)
    assert code == 1
    assert red == {
        "files are as rendered": f"{stack.directory}/conf/apache/site.conf: edited",
        "processes and threads": (
            "threads that answered, by process: [3, 3]; planned 2 x 4; mod_wsgi runs 2 x 3; "
            "planned 2 x 4"
        ),
    }


def test_verify_sees_a_file_that_changed_after_it_was_read(stack: LocalStack) -> None:
    path = stack.directory / "conf/apache/mpm.conf"
    path.touch()
    try:
        assert findings(stack) == (
            1,
            {"servers read their files": "apache/mpm.conf: changed after it was read"},
        )
    finally:
        restart(stack, "apache")
        wait_until_ready(stack)


def test_verify_sees_a_bypassed_pooler_beside_traffic_that_uses_it(stack: LocalStack) -> None:
    """Transactions of others hide the missing ones, so the count alone would stay green."""
    with bypassed(stack), pooled_traffic(stack):
        code, red = findings(stack)
    assert code == 1
    # Those of the processes that loaded the sabotaged plan, and got one of PostgreSQL's few
    # connections.
    assert re.search(
        r"\d threads use backends that are not PgBouncer's", red["requests use PgBouncer"]
    )


@contextmanager
def pooled_traffic(stack: LocalStack) -> Iterator[None]:
    """A client of the pooler that is no request: one transaction after the other, without a
    pause."""
    command = [
        "psql",
        "-Xq",
        "-h",
        f"{stack.directory}/run/pooler",
        "-p",
        "6432",
        "-U",
        login(stack),
        "-d",
        "app",
    ]
    owner = stack.directory.owner()
    with subprocess.Popen(["yes", "SELECT 1;"], stdout=subprocess.PIPE) as statements:
        client = subprocess.Popen(
            command, stdin=statements.stdout, stdout=subprocess.DEVNULL, cwd="/", user=owner
        )
        try:
            yield
        finally:
            client.terminate()
            client.wait()
            statements.terminate()


def login(stack: LocalStack) -> str:
    """The web's login at the pooler."""
    plan = json.loads((stack.directory / "conf/plan.json").read_text())
    return str(plan["pooler"]["web_login"])


def test_verify_sees_timeouts_out_of_order(stack: LocalStack) -> None:
    psql(stack, 6432, "pgbouncer", "pgbouncer", "SET query_timeout = 40")
    try:
        code, red = findings(stack)
    finally:
        psql(stack, 6432, "pgbouncer", "pgbouncer", "SET query_timeout = 25")
    assert code == 1
    assert red["timeouts are in order"] == (
        "timeouts of a query in s: not statement_timeout 20 < query_timeout 40 < request-timeout "
        "30 < Apache Timeout 60"
    )


def test_verify_sees_servers_that_trust_whoever_reaches_their_sockets(stack: LocalStack) -> None:
    """The directories still keep strangers out; the servers themselves no longer do."""
    with edited(stack, "postgres/pg_hba.conf", r"peer map=stack", "trust", "postgres"):
        code, red = findings(stack)
    assert code == 1
    assert (
        red["login rules are planned"] == "pg_hba.conf:2: local trust; pg_hba.conf:3: local trust"
    )
    assert red["strangers are refused"].startswith(
        "nobody gets in as app at PostgreSQL over socket; "
    )


def test_verify_sees_a_way_in_over_tcp(stack: LocalStack) -> None:
    rule = ("postgres/pg_hba.conf", r"\Z", "host all app 127.0.0.1/32 trust\n", "postgres")
    edit = (
        "postgres/pgstack.conf",
        r"listen_addresses = ''",
        "listen_addresses = '127.0.0.1'",
        "postgres",
    )
    with edited(stack, *rule), edited(stack, *edit):
        code, red = findings(stack)
    assert code == 1
    assert red["strangers are refused"] == "nobody gets in as app at PostgreSQL over TCP"
    assert (
        red["logins are planned"]
        == f"{stack.directory.owner()} gets in as app at PostgreSQL over TCP"
    )


def verify_as_owner(stack: LocalStack, option: str) -> subprocess.CompletedProcess[str]:
    """`stack_verify` as the account of the stack."""
    account = ("runuser", "-u", stack.directory.owner(), "--")
    return subprocess.run(
        [
            *account,
            "env",
            f"STACK_DIR={stack.directory}",
            *stack.command(),
            "stack_verify",
            option,
        ],
        capture_output=True,
        text=True,
        check=False,
    )


def test_verify_without_root_says_that_it_tried_no_stranger(stack: LocalStack) -> None:
    done = verify_as_owner(stack, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [row for row in json.loads(done.stdout) if not row["holds"]] == [
        {
            "check": "strangers are refused",
            "holds": None,
            "found": "another account: only root can become one",
            "remedy": "As root: `make verify`.",
        }
    ]


def test_verify_refuses_to_take_an_account_of_the_plan_for_a_stranger(stack: LocalStack) -> None:
    done = verify_as_owner(stack, "--stranger")
    assert done.returncode == 2
    assert "--stranger: the plan knows" in done.stderr


def test_verify_of_a_silent_pooler_tries_nothing_behind_it(stack: LocalStack) -> None:
    pid = stack.pid("pgbouncer")
    subprocess.run(["kill", "-STOP", pid], check=True)
    try:
        done = stack.manage("stack_verify", "--json")
    finally:
        subprocess.run(["kill", "-CONT", pid], check=True)
    assert done.returncode == 1
    rows = {row["check"]: row for row in json.loads(done.stdout)}
    assert "no answer within 2 s" in rows["PgBouncer runs the plan"]["found"]
    assert rows["processes and threads"]["holds"] is None
    assert rows["PostgreSQL runs the plan"]["holds"] is True
