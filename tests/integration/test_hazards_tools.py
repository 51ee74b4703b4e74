"""Programs, settings of the pooler, and Django's own commands behind real PgBouncer in transaction
mode."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest
from django.core.management import call_command
from django.db import DatabaseError, OperationalError, connection, connections, transaction

from fixtures.bare_servers import BACKENDS, PORT_POOLER, PORT_POSTGRES
from fixtures.pooled import Pooled, ask, rows

COUNT = "SELECT count(*) FROM other"


def run(pooled: Pooled, *command: str, port: int = PORT_POOLER, text: str | None = None) -> str:
    where = ["-h", str(pooled.directory), "-p", str(port), "-U", "app"]
    words = [*command, *where, "app"]
    done = subprocess.run(
        words, input=text, capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def poisoned(pooled: Pooled) -> bool:
    """Whether the site breaks: a query that does not name a schema."""
    client = pooled.client()
    try:
        ask(client, COUNT)
    except DatabaseError:
        return True
    finally:
        client.close()
    return False


def broken(pooled: Pooled) -> bool:
    """Whether one of the backends is poisoned, where they take turns."""
    return True in {poisoned(pooled) for _ in range(BACKENDS)}


@pytest.mark.hazard("H032", "reproduced")
def test_a_dump_through_the_pool_succeeds_and_poisons_it(pooled: Pooled) -> None:
    """In a pool where others work, or backends take turns; in an idle one its transaction ends with
    its backend."""
    with pooled.changed(server_round_robin="1"):
        run(pooled, "pg_dump", "--data-only", "--table=other")
        assert broken(pooled)
        pooled.console("RECONNECT")
        pooled.wait_until(lambda: not broken(pooled))


@pytest.mark.hazard("H032", "fixed")
def test_a_dump_past_the_pool_does_not(pooled: Pooled) -> None:
    with pooled.changed(server_round_robin="1"):
        run(pooled, "pg_dump", "--data-only", "--table=other", port=PORT_POSTGRES)
        assert not broken(pooled)


@pytest.mark.hazard("H033", "reproduced", "fixed")
def test_a_dump_loaded_through_the_pool_poisons_it(pooled: Pooled) -> None:
    dump = run(pooled, "pg_dump", "--data-only", "--table=part", port=PORT_POSTGRES)
    assert "set_config('search_path', '', false)" in dump
    run(pooled, "psql", "-Xq", port=PORT_POSTGRES, text=dump)
    assert not poisoned(pooled)
    run(pooled, "psql", "-Xq", text=dump)
    assert poisoned(pooled)


@pytest.mark.hazard("H034", "reproduced", "fixed")
def test_a_foreign_server_at_the_pooler_poisons_it(pooled: Pooled) -> None:
    def read(port: int) -> None:
        pooled.admin("DROP SERVER IF EXISTS far CASCADE")
        pooled.admin(
            "CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw "
            f"OPTIONS (host '{pooled.directory}', port '{port}', dbname 'app')"
        )
        pooled.admin("CREATE USER MAPPING FOR postgres SERVER far OPTIONS (user 'app')")
        pooled.admin(
            "CREATE FOREIGN TABLE far_thing (id bigint) SERVER far OPTIONS (table_name 'thing')"
        )
        assert pooled.admin("SELECT count(*) FROM far_thing") == [(500,)]

    if not pooled.admin("SELECT 1 FROM pg_available_extensions WHERE name = 'postgres_fdw'"):
        pytest.skip(
            "PostgreSQL's contrib modules are missing; they are in Debian's package postgresql-N"
        )
    pooled.admin("CREATE EXTENSION IF NOT EXISTS postgres_fdw")
    read(PORT_POSTGRES)
    assert not poisoned(pooled)
    read(PORT_POOLER)
    assert poisoned(pooled)
    pooled.admin("DROP SERVER far CASCADE")


def refused(client: Any) -> str:
    with pytest.raises(OperationalError) as caught:
        ask(client, "SELECT 1")
    return str(caught.value)


@pytest.mark.hazard("H028", "reproduced", "fixed")
def test_startup_options_are_refused_and_a_role_has_them(pooled: Pooled) -> None:
    client = pooled.client(OPTIONS={"options": "-c statement_timeout=5000"})
    assert "unsupported startup parameter" in refused(client)
    pooled.admin("ALTER ROLE app SET statement_timeout = '5s'")
    pooled.begin()
    assert ask(pooled.client(), "SHOW statement_timeout") == "5s"
    pooled.admin("ALTER ROLE app RESET statement_timeout")


@pytest.mark.hazard("H029", "reproduced", "fixed")
def test_ignored_startup_options_are_not_applied(pooled: Pooled) -> None:
    with pooled.changed(ignore_startup_parameters="options"):
        client = pooled.client(OPTIONS={"options": "-c statement_timeout=5000"})
        assert ask(client, "SHOW statement_timeout") == "0"
        pooled.admin("ALTER ROLE app SET statement_timeout = '5s'")
        pooled.begin()
        assert ask(pooled.client(), "SHOW statement_timeout") == "5s"
        pooled.admin("ALTER ROLE app RESET statement_timeout")


@pytest.mark.hazard("H031", "reproduced", "fixed")
def test_a_pooler_cannot_follow_what_the_server_does_not_report(pooled: Pooled) -> None:
    if pooled.version < (1, 20):
        pytest.skip("this PgBouncer has no track_extra_parameters; Debian 13 has one")
    if pooled.admin("SELECT current_setting('server_version_num')::int >= 180000") == [(True,)]:
        pytest.skip("PostgreSQL 18 reports search_path")
    with pooled.changed(track_extra_parameters="IntervalStyle, search_path"):
        ask(connection, "SET search_path TO pg_catalog")
        assert poisoned(pooled), "it is tracked by name, and leaks nevertheless"
    with transaction.atomic():
        ask(connection, "SET LOCAL search_path TO pg_catalog")
    assert not poisoned(pooled)


@pytest.mark.hazard("H030", "reproduced", "fixed")
def test_errors_of_a_connect_query_are_ignored(pooled: Pooled) -> None:
    with pooled.changed(database="connect_query='SET statement_timeout TO nonsense'"):
        assert ask(pooled.client(), "SHOW statement_timeout") == "0"
    with pooled.changed(database="connect_query='SET statement_timeout TO 7000'"):
        assert ask(pooled.client(), "SHOW statement_timeout") == "7s"
    with pytest.raises(DatabaseError, match='invalid value for parameter "statement_timeout"'):
        pooled.admin("ALTER ROLE app SET statement_timeout = 'nonsense'")
    pooled.admin("ALTER ROLE app SET statement_timeout = '7s'")
    pooled.begin()
    assert ask(pooled.client(), "SHOW statement_timeout") == "7s"
    pooled.admin("ALTER ROLE app RESET statement_timeout")


@pytest.mark.hazard("H035", "reproduced")
def test_a_test_database_cannot_be_made_through_the_pooler(pooled: Pooled) -> None:
    stock = pooled.client(ENGINE="django.db.backends.postgresql", GUARD=None)
    with (
        pytest.raises((SystemExit, DatabaseError)),
        pytest.warns(RuntimeWarning, match="'postgres' database"),
    ):
        stock.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)


@pytest.mark.hazard("H035", "fixed")
def test_a_test_database_of_this_backend_is_made_straight_at_postgresql(pooled: Pooled) -> None:
    before = dict(connections.settings["default"])
    name = connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        assert name == "test_app"
        assert rows(connection, "SELECT current_database(), current_user") == [
            ("test_app", "app_owner")
        ]
    finally:
        connection.creation.destroy_test_db("app", verbosity=0)
        connection.close()
        connections.settings["default"].update(before)
    assert pooled.admin("SELECT count(*) FROM pg_database WHERE datname = 'test_app'") == [(0,)]


@pytest.mark.hazard("H036", "reproduced", "fixed")
def test_a_migration_through_the_pooler_leaves_its_lock_and_one_on_direct_does_not(
    pooled: Pooled,
) -> None:
    locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
    call_command("migrate", verbosity=0)
    pooled.wait_until(lambda: pooled.admin(locks) == [(0,)])
    call_command("migrate", verbosity=0, database="default")
    assert pooled.admin(locks) == [(1,)]
