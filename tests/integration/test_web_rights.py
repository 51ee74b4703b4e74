"""What the web's role may not do, tried through the pooler; what it may change of itself is found
and taken back."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import pytest

from fixtures.local_stack import LocalStack

pytestmark = pytest.mark.integration

FUNCTIONS = (
    "lo_create(0)",
    "lo_creat(-1)",
    "lo_from_bytea(0, 'x')",
    "lo_put(1, 0, 'x')",
    "lo_unlink(1)",
    "lowrite(0, 'x')",
    "lo_truncate(0, 0)",
    "lo_truncate64(0, 0)",
    "lo_import('/etc/passwd')",
    "lo_export(1, '/tmp/x')",
    "pg_read_file('/etc/passwd')",
    "pg_read_binary_file('/etc/passwd')",
    "pg_ls_dir('/')",
    "pg_stat_file('/')",
    "pg_terminate_backend(pg_backend_pid())",
    "pg_cancel_backend(pg_backend_pid())",
    "pg_switch_wal()",
    "pg_logical_emit_message(false, 'a', 'b')",
    "pg_logical_emit_message(false, 'a', 'b'::bytea)",
    "pg_reload_conf()",
    "pg_rotate_logfile()",
    "pg_stat_reset()",
    "pg_create_restore_point('x')",
)
STATEMENTS = (
    "INSERT INTO django_migrations (app, name, applied) VALUES ('demo', '9999', now())",
    "UPDATE django_migrations SET name = 'x'",
    "DELETE FROM django_migrations",
    "TRUNCATE django_migrations",
    "SELECT setval('django_migrations_id_seq', 1)",
    "SELECT nextval('django_migrations_id_seq')",
    "CREATE TEMP TABLE x ()",
    "CREATE TABLE x ()",
    "CREATE SCHEMA x",
    "CREATE DATABASE x",
    "CREATE ROLE x",
    "COPY world TO PROGRAM 'id'",
    "COPY world FROM '/etc/passwd'",
    "COPY world TO '/tmp/x'",
    "COMMENT ON ROLE app IS 'x'",
    "COMMENT ON DATABASE app IS 'x'",
    "COMMENT ON TABLE world IS 'x'",
    "ALTER ROLE app CREATEDB",
    "ALTER ROLE app VALID UNTIL '2000-01-01'",
    "ALTER ROLE app_owner SET work_mem = '1GB'",
    "ALTER ROLE ALL SET work_mem = '1GB'",
    "ALTER DATABASE app SET work_mem = '1GB'",
    "SET ROLE app_owner",
    "ALTER TABLE world DISABLE TRIGGER ALL",
    "SELECT * FROM pg_authid",
    "ALTER SYSTEM SET work_mem = '1GB'",
    "CREATE EXTENSION hstore",
    "REFRESH MATERIALIZED VIEW nothing",
)
TAMPERED = (
    "ALTER ROLE app SET statement_timeout = 0",
    "ALTER ROLE app SET search_path = nowhere",
    "ALTER ROLE app IN DATABASE app SET lock_timeout = 0",
    "ALTER ROLE app IN DATABASE app SET idle_in_transaction_session_timeout = 0",
    "ALTER ROLE app IN DATABASE app SET timezone = 'Asia/Tokyo'",
    "ALTER ROLE app PASSWORD 'known'",
)
LIMITS = {
    "statement_timeout": "20s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "10s",
    "timezone": "UTC",
}
"""on the backends of the web; with PostgreSQL 17 transaction_timeout too"""
OPENED = (
    ("UPDATE ON django_migrations", "app", "may write table public.django_migrations"),
    ("EXECUTE ON FUNCTION lo_create(oid)", "PUBLIC", "may execute lo_create(oid)"),
    ("TEMP ON DATABASE app", "PUBLIC", "may create temporary tables"),
)
"""what is granted to whom, and what verify says then"""


def web(stack: LocalStack, *statements: str) -> subprocess.CompletedProcess[str]:
    """Each a transaction of the web's, through the pooler."""
    account = stack.directory.owner()
    words = [word for statement in statements for word in ("-c", statement)]
    return subprocess.run(
        [
            "runuser",
            "-u",
            account,
            "--",
            "psql",
            "-XqAt",
            "-v",
            "ON_ERROR_STOP=1",
            "-p",
            "6432",
            "-h",
            str(stack.directory / "run/pooler"),
            "-U",
            account,
            "-d",
            "app",
            *words,
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
    )


def renew_backends(stack: LocalStack) -> None:
    """Backends that were opened from now on only."""
    stack.sql("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'app'")
    stack.wait_until(stack.answers)


def red(stack: LocalStack) -> dict[str, str]:
    """What verify finds wrong, by check."""
    rows = json.loads(stack.manage("stack_verify", "--json").stdout)
    return {row["check"]: row["detail"] for row in rows if row["holds"] is False}


@pytest.mark.parametrize("call", FUNCTIONS)
def test_the_web_may_not_call(stack: LocalStack, call: str) -> None:
    done = web(stack, f"SELECT {call}")
    assert done.returncode != 0
    assert f"permission denied for function {call.partition('(')[0]}" in done.stderr


@pytest.mark.parametrize("statement", STATEMENTS)
def test_the_web_may_not(stack: LocalStack, statement: str) -> None:
    done = web(stack, statement)
    assert done.returncode != 0, done.stdout
    refused = ("permission denied", "must be", "must have", "does not exist")
    assert any(text in done.stderr for text in refused), done.stderr


def test_the_web_may_read_which_migrations_were_applied(stack: LocalStack) -> None:
    assert int(web(stack, "SELECT count(*) FROM django_migrations").stdout) > 0


def test_the_web_may_empty_a_table_of_its_rows_at_once(stack: LocalStack) -> None:
    done = web(stack, "BEGIN; TRUNCATE world; SELECT count(*) FROM world; ROLLBACK")
    assert (done.returncode, done.stdout.strip()) == (0, "0"), done.stderr


def test_the_owner_may_hand_on_what_the_web_does_not_have(stack: LocalStack) -> None:
    """A project that stores large objects says so in a migration."""
    call = "SELECT lo_unlink(lo_create(0))"
    granted = "GRANT EXECUTE ON FUNCTION lo_create(oid), lo_unlink(oid) TO app"
    stack.sql(f"SET ROLE app_owner; {granted}")
    try:
        assert web(stack, call).stdout.strip() == "1"
    finally:
        stack.sql(
            "SET ROLE app_owner; REVOKE EXECUTE ON FUNCTION lo_create(oid), lo_unlink(oid) FROM app"
        )


@pytest.fixture
def tampered(stack: LocalStack) -> Iterator[LocalStack]:
    """The web has changed what it can of its own role, and its backends are new since."""
    done = web(stack, *TAMPERED)
    assert done.returncode == 0, done.stderr
    renew_backends(stack)
    yield stack
    assert stack.manage("stack_local", "up").returncode == 0
    renew_backends(stack)


def test_what_the_web_sets_on_its_role_takes_no_limit_away_and_is_found_and_taken_back(
    tampered: LocalStack,
) -> None:
    shown = {name: web(tampered, f"SHOW {name}").stdout.strip() for name in LIMITS}
    assert shown == LIMITS
    detail = red(tampered)["roles have their settings"].lower()
    for name in ("search_path", *LIMITS):
        assert f"app: {name}" in detail, detail
    assert tampered.manage("stack_local", "up").returncode == 0
    assert tampered.sql("SELECT setconfig FROM pg_db_role_setting WHERE setdatabase <> 0") == ""
    assert tampered.sql("SELECT rolpassword IS NULL FROM pg_authid WHERE rolname = 'app'") == "t"
    renew_backends(tampered)
    assert red(tampered) == {}


def test_verify_sees_what_was_opened(stack: LocalStack) -> None:
    stack.sql("; ".join(f"GRANT {what} TO {who}" for what, who, _ in OPENED))
    try:
        details = red(stack)["web role cannot DDL"].split("; ")
    finally:
        stack.sql("; ".join(f"REVOKE {what} FROM {who}" for what, who, _ in OPENED))
    assert sorted(details) == sorted(f"app {said}" for *_, said in OPENED)
