"""The way to PgBouncer's console: rows by their names, settings compared, its own words, and one
error when it is away."""

from __future__ import annotations

import psycopg2
import pytest

from fixtures import pooler_console
from fixtures.local_stack import LocalStack
from pgstack.live.probes import console


def test_rows_come_by_the_names_of_their_columns(stack: LocalStack) -> None:
    assert pooler_console.settings(stack)["pool_mode"] == "transaction"
    assert "app" in [row["name"] for row in pooler_console.ask(stack, "SHOW DATABASES")]


def test_a_command_has_no_rows(stack: LocalStack) -> None:
    assert pooler_console.ask(stack, "RECONNECT") == []


def test_a_setting_that_differs_is_seen(stack: LocalStack) -> None:
    live = pooler_console.settings(stack)
    same = {name: value or "" for name, value in live.items()}
    assert console.different(same, live) == {}
    wanted = {"pool_mode": "session", "unix_socket_mode": live["unix_socket_mode"], "none": "1"}
    assert console.different(wanted, live) == {
        "pool_mode": ("session", "transaction"),
        "none": ("1", "missing"),
    }


def test_a_command_that_is_none_is_refused_in_the_words_of_the_console(stack: LocalStack) -> None:
    with pytest.raises(psycopg2.Error, match="invalid command 'NONSENSE'"):
        pooler_console.ask(stack, "NONSENSE")


def test_nobody_listens(stack: LocalStack) -> None:
    with pytest.raises(psycopg2.OperationalError, match=r"\.s\.PGSQL\.1.*No such file"):
        console.connect(str(stack.directory / "run/pooler"), 1, console.CONSOLE)
