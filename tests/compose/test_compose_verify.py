"""stack_verify in containers, as `make verify TARGET=compose` runs it: green, and red after each
sabotage.

The pooler cannot be bypassed here: the web has neither PostgreSQL's socket nor an account that it
lets in.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from compose_stack import ComposeStack

pytestmark = pytest.mark.compose

EDIT = "import sys; path, old, new = sys.argv[1:]; text = open(path).read(); assert old in text; \
open(path, 'w').write(text.replace(old, new))"


def verify(
    stack: ComposeStack, *arguments: str, user: str = "deploy"
) -> tuple[int, dict[str, dict[str, str]]]:
    """Exit code, and the findings by check."""
    run = (
        "run",
        "--rm",
        "--no-deps",
        "--no-TTY",
        f"--user={user}",
        "manage",
        "stack_verify",
        "--json",
        *arguments,
    )
    done = stack.compose(*run, check=False)
    assert done.stdout.startswith("["), done.stderr
    return done.returncode, {row["check"]: row for row in json.loads(done.stdout)}


def red(stack: ComposeStack) -> dict[str, str]:
    """What was found wrong, by check; the exit code must say so too."""
    code, findings = verify(stack)
    wrong = {check: row["detail"] for check, row in findings.items() if row["holds"] is False}
    assert code == (1 if wrong else 0)
    return wrong


def pooler_console(stack: ComposeStack, *commands: str) -> None:
    """Statements of the pooler's own account, its administrator."""
    psql = (
        "psql",
        "--no-psqlrc",
        "--host=/run/stack/pooler/current",
        "--port=6432",
        "--username=pgbouncer",
        "pgbouncer",
    )
    stack.execute("pgbouncer", *psql, *(f"--command={command}" for command in commands))


@contextmanager
def edited(stack: ComposeStack, name: str, old: str, new: str, service: str) -> Iterator[None]:
    """A rendered file edited by hand, its server restarted; put right by `configure`."""
    configure = ("run", "--rm", "--no-deps", "--no-TTY")
    try:
        edit = ("--entrypoint=python", "configure", "-c", EDIT, f"/etc/stack/{name}", old, new)
        stack.compose(*configure, *edit)
        stack.compose("restart", "--no-deps", service)
        stack.wait_until_steady()
        yield
    finally:
        stack.compose(*configure, "configure")
        stack.compose("restart", "--no-deps", service)
        stack.wait_until_steady()


def test_verify_is_green_in_containers(stack: ComposeStack) -> None:
    code, findings = verify(stack)
    assert {check: row["detail"] for check, row in findings.items() if not row["holds"]} == {
        "strangers are refused": "another account: only root can become one"
    }
    assert len(findings) == 20
    assert code == 0


def test_verify_as_a_stranger_who_reaches_the_sockets_is_refused_by_the_servers(
    stack: ComposeStack,
) -> None:
    code, findings = verify(stack, "--stranger", user="nobody:sockets")
    assert (
        findings["strangers are refused"]["detail"]
        == "nobody: 10 refused by a server, 10 without a listener"
    )
    assert list(findings) == ["strangers are refused"]
    assert code == 0


def test_verify_as_a_stranger_sees_a_server_that_trusts_everybody(stack: ComposeStack) -> None:
    with edited(stack, "postgres/pg_hba.conf", "peer map=stack", "trust", "postgres"):
        code, findings = verify(stack, "--stranger", user="nobody:sockets")
        own = red(stack)
    assert (
        "nobody gets in as postgres at PostgreSQL over socket"
        in findings["strangers are refused"]["detail"]
    )
    assert code == 1
    assert own["logins are planned"] == (
        "deploy gets in as app at PostgreSQL over socket; deploy gets in as postgres at PostgreSQL "
        "over socket"
    )
    assert own["login rules are planned"] == "; ".join(
        f"pg_hba.conf:{line}: local trust" for line in (2, 4, 5)
    )


@pytest.mark.slow
def test_verify_sees_session_pooling_in_containers(stack: ComposeStack) -> None:
    pooler_console(stack, "SET pool_mode = 'session'", "RECONNECT")
    try:
        wrong = red(stack)
    finally:
        pooler_console(stack, "SET pool_mode = 'transaction'", "RECONNECT")
    assert wrong["PgBouncer runs the plan"] == "pool_mode: planned 'transaction', live 'session'"
    assert "clients at a time do not get a transaction each" in wrong["clients share backends"]


def test_verify_sees_ownership_of_the_web_role_in_containers(stack: ComposeStack) -> None:
    stack.sql("GRANT app_owner TO app")
    try:
        wrong = red(stack)
    finally:
        stack.sql("REVOKE app_owner FROM app")
    assert list(wrong) == ["web role cannot DDL"]
    assert "app is member of app_owner" in wrong["web role cannot DDL"]


@pytest.mark.slow
def test_verify_sees_a_thread_count_edited_by_hand_in_containers(stack: ComposeStack) -> None:
    with edited(stack, "apache/site.conf", "threads=4", "threads=3", "web"):
        wrong = red(stack)
    assert list(wrong) == ["files are as rendered", "processes and threads"]
    assert "; mod_wsgi runs " in wrong["processes and threads"]


def test_verify_sees_postgresql_on_its_own_loopback(stack: ComposeStack) -> None:
    """Its container has no network, so nobody else could connect; it is not as planned all the
    same."""
    with edited(
        stack,
        "postgres/pgstack.conf",
        "listen_addresses = ''",
        "listen_addresses = '127.0.0.1'",
        "postgres",
    ):
        wrong = red(stack)
    assert (
        wrong["only Apache listens on TCP"] == "PostgreSQL runs with listen_addresses = '127.0.0.1'"
    )
