"""stackctl's way to PgBouncer's console: rows by their names, its own words, and one error when it
is away."""

from __future__ import annotations

import pwd

import pytest

from fixtures.local_stack import LocalStack
from stackctl import console
from stackctl.safe import Refused


def ask(stack: LocalStack, command: str, seconds: float = 5) -> console.Rows:
    """As the account that PgBouncer runs under."""
    path = next((stack.directory / "run/pooler").glob(".s.PGSQL.*[0-9]"))
    return console.ask(path, pwd.getpwuid(stack.directory.stat().st_uid).pw_name, command, seconds)


def test_rows_come_by_the_names_of_their_columns(stack: LocalStack) -> None:
    settings = {row["key"]: row["value"] for row in ask(stack, "SHOW CONFIG")}
    assert settings["pool_mode"] == "transaction"
    assert "app" in [row["name"] for row in ask(stack, "SHOW DATABASES")]


def test_null_is_an_empty_text(stack: LocalStack) -> None:
    rows = {row["name"]: row for row in ask(stack, "SHOW DATABASES")}
    assert rows["pgbouncer"]["host"] == ""


def test_a_command_that_is_none_is_refused_in_the_words_of_the_console(stack: LocalStack) -> None:
    with pytest.raises(Refused, match="invalid command 'NONSENSE'"):
        ask(stack, "NONSENSE")


def test_nobody_listens(stack: LocalStack) -> None:
    account = pwd.getpwuid(stack.directory.stat().st_uid).pw_name
    with pytest.raises(Refused, match=r"\.s\.PGSQL\.1: PAUSE: .*No such file"):
        console.ask(stack.directory / "run/pooler/.s.PGSQL.1", account, "PAUSE", 1)
