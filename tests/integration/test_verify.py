"""stack_verify on the real stack: green as planned, red with the right finding after each sabotage."""

from __future__ import annotations

import json
import re
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from fixtures.local_stack import LocalStack


def findings(stack: LocalStack) -> tuple[int, dict[str, dict[str, str]]]:
    """Exit code, and the findings that do not hold by name."""
    done = stack.manage("stack_verify", "--json")
    assert done.stdout.startswith("["), done.stderr
    return done.returncode, {row["check"]: row for row in json.loads(done.stdout) if not row["holds"]}


def psql(stack: LocalStack, port: int, user: str, database: str, command: str) -> None:
    """One statement as the stack's own account."""
    directory = stack.directory / "run" / ("postgres" if port == 5432 else "pooler")
    owner = stack.directory.owner()
    done = subprocess.run(
        ["runuser", "-u", owner, "--", "psql", "-Xq", "-h", str(directory), "-p", str(port), "-U", user, "-d", database,
         "-c", command],
        capture_output=True, text=True, check=False, cwd="/",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def restart(stack: LocalStack, program: str) -> None:
    """One server, by its supervisor."""
    configuration = str(stack.directory / "supervisord.conf")
    subprocess.run([str(stack.supervisorctl), "-c", configuration, "restart", program], check=True, capture_output=True)


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
def restarted_after_edit(stack: LocalStack, name: str, pattern: str, replacement: str, program: str) -> Iterator[None]:
    """A rendered file edited by hand, its server restarted; put right by the next `up`."""
    path = stack.directory / "conf" / name
    text = path.read_text()
    edited = re.sub(pattern, replacement, text)
    assert edited != text
    path.write_text(edited)
    try:
        restart(stack, program)
        wait_until_ready(stack)
        yield
    finally:
        done = stack.manage("stack_local", "up")
        assert done.returncode == 0, done.stderr


def test_verify_is_green_on_the_planned_stack(stack: LocalStack) -> None:
    assert findings(stack) == (0, {})


def test_verify_sees_session_pooling(stack: LocalStack) -> None:
    psql(stack, 6432, "pgbouncer", "pgbouncer", "SET pool_mode = 'session'")
    psql(stack, 6432, "pgbouncer", "pgbouncer", "RECONNECT")
    try:
        code, red = findings(stack)
    finally:
        psql(stack, 6432, "pgbouncer", "pgbouncer", "SET pool_mode = 'transaction'")
    assert code == 1
    assert "pool_mode: planned 'transaction', live 'session'" in red["PgBouncer runs the plan"]["found"]


@pytest.mark.parametrize(
    ("sabotage", "repair", "found"),
    [
        ("GRANT app_owner TO app", "REVOKE app_owner FROM app", "is member of app_owner"),
        (
            "ALTER TABLE world OWNER TO app",
            "ALTER TABLE world OWNER TO app_owner; GRANT SELECT, INSERT, UPDATE, DELETE ON world TO app",
            "owns public.world",
        ),
        ("GRANT CREATE ON SCHEMA public TO app", "REVOKE CREATE ON SCHEMA public FROM app", "can create tables"),
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
    assert list(red) == ["web role cannot DDL"]
    assert found in red["web role cannot DDL"]["found"]


def test_verify_sees_postgresql_on_tcp(stack: LocalStack) -> None:
    edit = ("postgres/pgstack.conf", r"listen_addresses = ''", "listen_addresses = '127.0.0.1'", "postgres")
    with restarted_after_edit(stack, *edit):
        code, red = findings(stack)
    assert code == 1
    assert "[5432]" in red["only Apache listens on TCP"]["found"]


def test_verify_sees_a_thread_count_edited_by_hand(stack: LocalStack) -> None:
    with restarted_after_edit(stack, "apache/site.conf", r"threads=4", "threads=3", "apache"):
        code, red = findings(stack)
    assert code == 1
    assert "(2, 3)" in red["daemon processes and threads"]["found"]


def test_verify_sees_a_bypassed_pooler(stack: LocalStack) -> None:
    path = stack.directory / "conf/plan.json"
    planned = path.read_text()
    direct = re.sub(r'"run_pooler": "[^"]*"', f'"run_pooler": "{stack.directory}/run/postgres"', planned)
    direct = direct.replace('"port": 6432', '"port": 5432')
    direct = re.sub(r'"web_login": "[^"]*"', '"web_login": "app"', direct)
    try:
        path.write_text(direct)
        restart(stack, "apache")
        wait_until_ready(stack)
        path.write_text(planned)  # the web processes hold the sabotaged plan, verify reads the right one
        code, red = findings(stack)
    finally:
        path.write_text(planned)
        restart(stack, "apache")
        wait_until_ready(stack)
    assert code == 1
    # At least one process loaded the sabotaged plan; its requests are missing at the pooler.
    assert list(red) == ["requests pass through PgBouncer"]
