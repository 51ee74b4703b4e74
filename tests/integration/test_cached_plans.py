"""A migration changes a column's type while clients use prepared statements: no error reaches them.

psycopg 3 prepares, PgBouncer 1.21 follows it; `test_hazards_psycopg3` runs this. Straight at
PostgreSQL the same error comes with any PgBouncer.
"""

from __future__ import annotations

from typing import Any

import pytest
from django.db import DatabaseError
from django.db.backends.postgresql.psycopg_any import is_psycopg3

from fixtures.bare_servers import BACKENDS
from fixtures.pooled import Pooled, ask

pytestmark = pytest.mark.skipif(
    not is_psycopg3, reason="needs psycopg 3; test_hazards_psycopg3 runs this"
)
PREPARES = {"application_name": "test", "prepare_threshold": 0, "server_side_binding": True}
READ = "SELECT size FROM grown"
WRITE = "INSERT INTO grown VALUES (1) RETURNING size"
CHANGED = "cached plan must not change result type"


@pytest.fixture
def grow(pooled: Pooled) -> Any:
    """Changes the type of the column, as a migration does."""

    def change() -> None:
        ask(owner, "ALTER TABLE grown ALTER COLUMN size TYPE bigint")

    owner = pooled.client(pooled=False)
    ask(owner, "DROP TABLE IF EXISTS grown")
    ask(owner, "CREATE TABLE grown (size int)")
    return change


def through(pooled: Pooled, **changed: Any) -> Any:
    """A client that prepares: through the pooler where it follows, else straight."""
    if pooled.version >= (1, 21):
        return pooled.client(OPTIONS=PREPARES, **changed)
    return pooled.client(pooled=False, USER="app", OPTIONS=PREPARES, **changed)


@pytest.mark.hazard("H024", "reproduced")
@pytest.mark.parametrize("sql", [READ, WRITE])
def test_django_as_it_comes_fails(pooled: Pooled, grow: Any, sql: str) -> None:
    client = through(pooled, ENGINE="django.db.backends.postgresql")
    ask(client, sql)
    grow()
    with pytest.raises(DatabaseError, match=CHANGED):
        ask(client, sql)


@pytest.mark.hazard("H024", "fixed")
@pytest.mark.parametrize("sql", [READ, WRITE])
def test_the_backend_sends_it_again(pooled: Pooled, grow: Any, sql: str) -> None:
    client = through(pooled)
    ask(client, sql)
    grow()
    before = pooled.admin("SELECT count(*) FROM grown")[0][0]
    ask(client, sql)
    assert pooled.admin("SELECT count(*) FROM grown")[0][0] - before == (1 if sql == WRITE else 0)


@pytest.mark.hazard("H024", "fixed")
def test_the_first_statement_of_a_transaction_is_sent_again(pooled: Pooled, grow: Any) -> None:
    client = through(pooled)
    ask(client, WRITE)
    grow()
    client.set_autocommit(False)
    ask(client, WRITE)
    client.commit()
    assert pooled.admin("SELECT count(*) FROM grown") == [(2,)]


@pytest.mark.hazard("H024", "fixed")
def test_after_reconnect_later_statements_of_a_transaction_work_too(
    pooled: Pooled, grow: Any
) -> None:
    if pooled.version < (1, 21):
        pytest.skip("PgBouncer 1.21 follows prepared statements; Debian 13 has it")
    clients = [through(pooled) for _ in range(BACKENDS)]
    for client in clients:
        ask(client, READ)
    grow()
    assert pooled.console("RECONNECT").returncode == 0
    for client in clients:
        client.set_autocommit(False)
        ask(client, "SELECT 1")
        ask(client, READ)
        client.rollback()


def test_only_its_own_account_and_administrators_may_reconnect(pooled: Pooled) -> None:
    assert pooled.console("RECONNECT", user="app_monitor").returncode != 0
    assert pooled.console("SHOW POOLS", user="app_monitor").returncode == 0
