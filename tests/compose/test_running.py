"""The stack as its users meet it: pages, data that stays, strangers kept out, crashes recovered."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from compose_stack import ComposeStack, copy_checkout

pytestmark = pytest.mark.compose

ASK = (
    "import os, sys, psycopg2; psycopg2.connect(host=sys.argv[1], port=sys.argv[2], "
    "user=sys.argv[3], dbname='app')"
)
TRY = """
import sys, psycopg2
connection = psycopg2.connect(host="/run/stack/pooler/current", port=6432, user="app", dbname="app")
connection.autocommit = True
cursor = connection.cursor()
for statement in sys.argv[1:]:
    cursor.execute(statement)
print(cursor.fetchone()[0])
"""
POSTGRES = ("/run/stack/postgres", "5432")
POOLER = ("/run/stack/pooler/current", "6432")


def login_error(stack: ComposeStack, account: str, *where_and_who: str) -> str:
    """What a login from a container that mounts both sockets is answered; empty when it
    succeeds."""
    done = stack.python(ASK, *where_and_who, account=account)
    return "" if done.returncode == 0 else done.stderr


def server_process(stack: ComposeStack, service: str) -> int:
    return int(stack.inspect(service)["State"]["Pid"])


def kill_server(stack: ComposeStack, service: str) -> None:
    """`kill -9` from the machine; `docker kill` would count as an operator's stop and not be
    recovered."""
    uid = stack.execute(service, "id", "-u").stdout.strip()
    image = stack.inspect(service)["Image"]
    stack.run(
        "docker",
        "run",
        "--rm",
        "--pid=host",
        "--network=none",
        f"--user={uid}",
        "--entrypoint=sh",
        image,
        "-c",
        f"kill -9 {server_process(stack, service)}",
    )


def wait_for_another_process(stack: ComposeStack, service: str, old: int) -> None:
    deadline = time.monotonic() + 20
    while server_process(stack, service) in (0, old):
        assert time.monotonic() < deadline, f"{service} was not started again"
        time.sleep(0.1)


def test_front_page_arrives_from_a_plain_clone(stack: ComposeStack) -> None:
    status, body = stack.get("/")
    assert status == 200
    assert "<html" in body


def test_page_that_reads_a_row_goes_through_the_pooler(stack: ComposeStack) -> None:
    assert stack.get("/db")[0] == 200
    seen = stack.sql(
        "SELECT DISTINCT usename FROM pg_stat_activity WHERE datname = 'app' "
        "AND usename NOT IN ('postgres', 'app_monitor')"
    )
    assert seen == "app"


def test_one_shot_services_ended_well(stack: ComposeStack) -> None:
    ended = {
        service: stack.inspect(service)["State"]["ExitCode"] for service in ("configure", "migrate")
    }
    assert ended == {"configure": 0, "migrate": 0}


def test_data_survives_down_and_up(stack: ComposeStack) -> None:
    stack.sql("CREATE TABLE IF NOT EXISTS keepsake (words text)")
    stack.sql("INSERT INTO keepsake VALUES ('still here')")
    stack.compose("down")
    stack.up()
    assert stack.sql("SELECT DISTINCT words FROM keepsake") == "still here"
    assert stack.get("/readyz")[0] == 200
    stack.sql("DROP TABLE keepsake")


def test_data_pages_have_checksums(stack: ComposeStack) -> None:
    assert stack.sql("SHOW data_checksums") == "on"


def test_nothing_but_apache_listens_on_tcp(stack: ComposeStack) -> None:
    assert stack.sql("SHOW listen_addresses") == ""
    listening = {}
    for service in ("postgres", "pgbouncer"):
        tables = stack.execute(service, "cat", "/proc/net/tcp", "/proc/net/tcp6").stdout
        listening[service] = [line for line in tables.splitlines() if " 0A " in line]
    assert listening == {"postgres": [], "pgbouncer": []}


def test_web_account_gets_in_through_the_pooler_only(stack: ComposeStack) -> None:
    assert login_error(stack, "app", *POOLER, "app") == ""
    assert "Peer authentication failed" in login_error(stack, "app", *POSTGRES, "app")
    assert "Peer authentication failed" in login_error(stack, "app", *POSTGRES, "app_owner")


def test_deploy_account_owns_the_schema_directly(stack: ComposeStack) -> None:
    assert login_error(stack, "deploy", *POSTGRES, "app_owner") == ""


def test_stranger_in_the_sockets_group_is_refused_everywhere(stack: ComposeStack) -> None:
    assert "unix socket login rejected" in login_error(stack, "5999:5000", *POOLER, "app")
    assert "Peer authentication failed" in login_error(stack, "5999:5000", *POSTGRES, "app")


def test_stranger_outside_the_group_does_not_reach_a_socket(stack: ComposeStack) -> None:
    assert "Permission denied" in login_error(stack, "5999:5999", *POOLER, "app")
    assert "Permission denied" in login_error(stack, "5999:5999", *POSTGRES, "app")


@pytest.mark.parametrize("service", ["pgbouncer", "postgres", "port", "web"])
def test_killed_server_comes_back(stack: ComposeStack, service: str) -> None:
    old = server_process(stack, service)
    kill_server(stack, service)
    wait_for_another_process(stack, service, old)
    stack.wait_until_steady()


def test_second_database_container_is_kept_off_the_data(stack: ComposeStack) -> None:
    second = stack.compose("run", "--rm", "--no-deps", "--no-TTY", "postgres", check=False)
    assert second.returncode == 1
    assert "is in use by another PostgreSQL container" in second.stderr
    assert stack.get("/db")[0] == 200


def test_code_change_rebuilds_the_application_layers_only(
    stack: ComposeStack, tmp_path: Path
) -> None:
    copy_checkout(tmp_path)
    with (tmp_path / "app/config/__init__.py").open("a") as module:
        module.write(f"# changed at {time.time()}\n")
    report = stack.compose(
        f"--file={tmp_path}/compose.yaml", "build", "--progress=plain", "configure", "web"
    )
    assert "compileall" in report.stdout + report.stderr
    assert "Installing collected packages" not in report.stdout + report.stderr


def as_web(stack: ComposeStack, *statements: str) -> str:
    """What the last statement of the web's, through the pooler, is answered, or the error."""
    done = stack.python(TRY, *statements, account="app")
    return done.stdout.strip() or done.stderr


def test_the_web_keeps_its_limits_whatever_it_sets_on_its_role_and_stores_no_files(
    stack: ComposeStack,
) -> None:
    """With PostgreSQL 17 and PgBouncer 1.24; tests/integration/test_web_rights.py has the rest."""
    assert (
        as_web(stack, "ALTER ROLE app IN DATABASE app SET transaction_timeout = 0", "SELECT 'set'")
        == "set"
    )
    try:
        stack.sql(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'app'"
        )
        stack.wait_until_steady()
        assert as_web(stack, "SHOW transaction_timeout") == "30s"
    finally:
        stack.sql("ALTER ROLE app IN DATABASE app RESET ALL")
    for call in (
        "lo_create(0)",
        "pg_logical_emit_message(false, 'a', 'b')",
        "pg_terminate_backend(1)",
    ):
        assert f"permission denied for function {call.partition('(')[0]}" in as_web(
            stack, f"SELECT {call}"
        )
