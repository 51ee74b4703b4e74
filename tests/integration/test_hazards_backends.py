"""What else a backend keeps: channels, locks, temporary tables, prepared statements, on real
PgBouncer."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from django.contrib.postgres import signals
from django.db import DatabaseError, connection
from django.db.backends.postgresql.psycopg_any import is_psycopg3

from fixtures.pooled import Pooled, ask

FOLLOWS = (1, 21)
"""PgBouncer that follows prepared statements of the protocol (max_prepared_statements)"""
needs_psycopg3 = pytest.mark.skipif(
    not is_psycopg3, reason="needs psycopg 3; test_hazards_psycopg3 runs this"
)


@pytest.mark.hazard("H021", "reproduced")
def test_a_temporary_table_is_lost_and_in_the_way_of_a_stranger(pooled: Pooled) -> None:
    make = "CREATE TEMP TABLE chosen (id int)"
    ask(connection, make)
    with pooled.shoved(), pytest.raises(DatabaseError, match='"chosen" does not exist'):
        ask(connection, "SELECT count(*) FROM chosen")
    with pytest.raises(DatabaseError, match='"chosen" already exists'):
        ask(pooled.client(), make)


@pytest.mark.hazard("H021", "fixed")
def test_a_temporary_table_of_a_transaction_is_there_and_gone(pooled: Pooled) -> None:
    make = "CREATE TEMP TABLE chosen (id int) ON COMMIT DROP"
    for client in (connection, pooled.client()):
        client.set_autocommit(False)
        ask(client, make)
        with pooled.shoved():
            assert ask(client, "SELECT count(*) FROM chosen") == 0
        client.commit()
        client.set_autocommit(True)


@pytest.mark.hazard("H022", "reproduced", "fixed")
def test_a_statement_prepared_in_sql_is_lost_and_in_the_way_of_a_stranger(pooled: Pooled) -> None:
    prepare = "PREPARE one (int) AS SELECT name FROM thing WHERE id = $1"
    ask(connection, prepare)
    with pooled.shoved(), pytest.raises(DatabaseError, match='"one" does not exist'):
        ask(connection, "EXECUTE one (1)")
    with pytest.raises(DatabaseError, match='"one" already exists'):
        ask(pooled.client(), prepare)
    with pooled.shoved():
        assert ask(connection, "SELECT name FROM thing WHERE id = %s", 1) == "thing 1"


@pytest.mark.hazard("H023", "reproduced")
@needs_psycopg3
def test_a_prepared_statement_of_the_driver_is_lost_before_pgbouncer_1_21(pooled: Pooled) -> None:
    if pooled.version >= FOLLOWS:
        pytest.skip("this PgBouncer follows them")
    prepares = pooled.client(
        OPTIONS={"application_name": "test", "prepare_threshold": 0, "server_side_binding": True}
    )
    assert ask(prepares, "SELECT name FROM thing WHERE id = %s", 1) == "thing 1"
    with pooled.shoved(), pytest.raises(DatabaseError, match='"_pg3_0" does not exist'):
        ask(prepares, "SELECT name FROM thing WHERE id = %s", 2)


@pytest.mark.hazard("H023", "fixed")
@needs_psycopg3
def test_a_pgbouncer_that_follows_prepared_statements_carries_them(pooled: Pooled) -> None:
    if pooled.version < FOLLOWS:
        pytest.skip("PgBouncer 1.21 follows them; Debian 13 has it")
    prepares = pooled.client(
        OPTIONS={"application_name": "test", "prepare_threshold": 0, "server_side_binding": True}
    )
    assert ask(prepares, "SELECT name FROM thing WHERE id = %s", 1) == "thing 1"
    with pooled.shoved():
        assert ask(prepares, "SELECT name FROM thing WHERE id = %s", 2) == "thing 2"


@pytest.mark.hazard("H025", "reproduced", "fixed")
def test_the_last_key_is_undefined_or_that_of_a_stranger(pooled: Pooled) -> None:
    ask(connection, "INSERT INTO thing (name) VALUES ('mine')")
    with pooled.shoved(), pytest.raises(DatabaseError, match="not yet defined in this session"):
        ask(connection, "SELECT lastval()")
    theirs = ask(pooled.client(), "INSERT INTO thing (name) VALUES ('theirs') RETURNING id")
    assert ask(connection, "SELECT lastval()") == theirs
    assert ask(connection, "SELECT name FROM thing WHERE id = %s", theirs) == "theirs", (
        "RETURNING is one's own"
    )
    ask(connection, "DELETE FROM thing WHERE name IN ('mine', 'theirs')")


@pytest.mark.hazard("H043", "reproduced", "fixed")
def test_a_connection_kept_by_a_thread_is_dead_after_a_restart_of_the_pooler(
    pooled: Pooled,
) -> None:
    answers: dict[str, object] = {}

    def work(engine: str) -> None:
        client = pooled.client(ENGINE=engine)
        ask(client, "SELECT 1")
        ready.wait()
        ready.wait()
        try:
            answers[engine] = ask(client, "SELECT 1")
        except DatabaseError:
            answers[engine] = "failed"
        finally:
            client.close()

    ready = threading.Barrier(3, timeout=30)
    engines = ("django.db.backends.postgresql", "pgstack.db")
    threads = [threading.Thread(target=work, args=(engine,)) for engine in engines]
    for thread in threads:
        thread.start()
    ready.wait()
    pooled.stop_pooler()
    pooled.start_pooler()
    ready.wait()
    for thread in threads:
        thread.join()
    assert answers == {"django.db.backends.postgresql": "failed", "pgstack.db": 1}


@pytest.mark.hazard("H044", "reproduced", "fixed")
@needs_psycopg3
@pytest.mark.parametrize(
    ("pool", "used", "kept"), [({"pool": {"min_size": 4, "max_size": 4}}, 4, 4), ({}, 1, 0)]
)
def test_a_pool_in_the_process_keeps_clients_that_it_does_not_use(
    pooled: Pooled, pool: dict[str, object], used: int, kept: int
) -> None:
    client = pooled.client(
        ENGINE="django.db.backends.postgresql",
        CONN_MAX_AGE=0,
        OPTIONS={"application_name": "test", **pool},
    )
    ask(client, "SELECT 1")
    pooled.wait_until(lambda: pooled.clients() == used)
    client.close()
    pooled.wait_until(lambda: pooled.clients() == kept)
    time.sleep(0.05)
    assert pooled.clients() == kept
    client.close_pool()


@pytest.mark.hazard("H046", "reproduced", "fixed")
@pytest.mark.parametrize("clears", ["RESET ALL", "DISCARD ALL"])
def test_a_client_that_clears_its_backend_takes_from_all_others_what_they_rely_on(
    pooled: Pooled, clears: str
) -> None:
    with pooled.changed(database="connect_query='SET statement_timeout TO 7000'"):
        stranger = pooled.client()
        assert ask(stranger, "SHOW statement_timeout") == "7s"
        ask(connection, clears)
        assert ask(stranger, "SHOW statement_timeout") == "0"
    pooled.admin("ALTER ROLE app SET statement_timeout = '7s'")
    pooled.begin()
    ask(connection, clears)
    assert ask(pooled.client(), "SHOW statement_timeout") == "7s", (
        "nothing was left that needs clearing"
    )
    pooled.admin("ALTER ROLE app RESET statement_timeout")


@needs_psycopg3
@pytest.mark.parametrize(
    "clears", ["DEALLOCATE ALL", "DISCARD ALL", "PREPARE x AS SELECT 1; DEALLOCATE ALL; SELECT 1"]
)
def test_a_pgbouncer_that_follows_prepared_statements_notices_that_they_were_cleared(
    pooled: Pooled, clears: str
) -> None:
    if pooled.version < FOLLOWS:
        pytest.skip("PgBouncer 1.21 follows them; Debian 13 has it")
    prepares = pooled.client(
        OPTIONS={"application_name": "test", "prepare_threshold": 0, "server_side_binding": True}
    )
    ask(prepares, "SELECT name FROM thing WHERE id = %s", 1)
    ask(connection, clears)
    assert ask(prepares, "SELECT name FROM thing WHERE id = %s", 2) == "thing 2"


@pytest.mark.hazard("H047", "reproduced", "fixed")
def test_types_of_a_restored_database_are_texts_to_a_process_that_knew_the_old_ones(
    pooled: Pooled,
) -> None:
    def restore() -> None:
        pooled.admin("DROP EXTENSION IF EXISTS hstore CASCADE")
        pooled.admin("CREATE EXTENSION hstore")

    def read() -> Any:
        connection.close()
        connection.ensure_connection()
        signals.register_type_handlers(
            connection
        )  # what django.contrib.postgres does for each new connection
        return ask(connection, "SELECT 'a=>1'::hstore")

    def begin_anew() -> None:
        """What a new process begins with."""
        signals.get_hstore_oids.cache_clear()
        signals.get_citext_oids.cache_clear()

    if not pooled.admin("SELECT 1 FROM pg_available_extensions WHERE name = 'hstore'"):
        pytest.skip(
            "PostgreSQL's contrib modules are missing; they are in Debian's package postgresql-N"
        )
    begin_anew()
    restore()
    assert read() == {"a": "1"}
    restore()
    assert read() == '"a"=>"1"'
    begin_anew()
    assert read() == {"a": "1"}
    pooled.admin("DROP EXTENSION hstore")
