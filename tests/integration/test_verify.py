"""stack_verify on the real stack: green as planned, red with the right finding after each
sabotage."""

from __future__ import annotations

import json
import re
import subprocess

import pytest

from fixtures.local_stack import LocalStack
from fixtures.sabotage import (
    bypassed,
    edited,
    pooled_traffic,
    psql,
    restart,
    traffic,
    wait_until_ready,
)


def findings(stack: LocalStack) -> tuple[int, dict[str, str]]:
    """Exit code, and what was found wrong, by check."""
    done = stack.manage("stack_verify", "--json")
    assert done.stdout.startswith("["), done.stderr
    rows = json.loads(done.stdout)
    assert len(rows) == 22
    assert all(row["remedy"] for row in rows if row["holds"] is False)
    return done.returncode, {row["check"]: row["detail"] for row in rows if row["holds"] is False}


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


@pytest.mark.slow
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
    ("sabotage", "repair", "detail"),
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
    stack: LocalStack, sabotage: str, repair: str, detail: str
) -> None:
    psql(stack, 5432, "postgres", "app", sabotage)
    try:
        code, red = findings(stack)
    finally:
        psql(stack, 5432, "postgres", "app", repair)
    assert code == 1
    assert list(red) == ["web role cannot DDL"], red
    assert detail in red["web role cannot DDL"]


def test_verify_sees_an_index_that_another_library_has_sorted(stack: LocalStack) -> None:
    """As after an upgrade of Debian."""
    known = "UPDATE pg_collation SET collversion = {} WHERE collname = 'sv-x-icu'"
    actual = "pg_collation_actual_version(oid)"
    index = 'CREATE INDEX world_sorted ON world ((id::text) COLLATE "sv-x-icu")'
    psql(stack, 5432, "postgres", "app", index, known.format("'1.0'"))
    try:
        code, red = findings(stack)
        psql(stack, 5432, "postgres", "app", known.format(actual))
        assert findings(stack) == (0, {})
    finally:
        psql(stack, 5432, "postgres", "app", "DROP INDEX world_sorted", known.format(actual))
    assert code == 1
    assert list(red) == ["database sorts as planned"]
    assert "world_sorted is in the order of another version of" in str(red)


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
    assert red["login rules are planned"] == "; ".join(
        f"pg_hba.conf:{line}: local trust" for line in (2, 4, 5)
    )
    assert red["strangers are refused"].startswith(
        "nobody gets in as app at PostgreSQL over socket; "
    )


@pytest.mark.slow
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
            "detail": "another account: only root can become one",
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
    assert "no answer within 2 s" in rows["PgBouncer runs the plan"]["detail"]
    assert rows["processes and threads"]["holds"] is None
    assert rows["PostgreSQL runs the plan"]["holds"] is True
