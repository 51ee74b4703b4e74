"""What else a backend keeps: channels, locks, temporary tables, prepared statements, on real PgBouncer."""

from __future__ import annotations

import threading
import time

import pytest
from django.db import DatabaseError, connection, connections, transaction
from django.db.backends.postgresql.psycopg_any import is_psycopg3

from fixtures.pooled import Pooled, ask
from pgstack.db.locks import LockLost, LockTimeout, advisory_lock, advisory_xact_lock
from pgstack.db.notifications import Notification, listen

FOLLOWS = (1, 21)
"""PgBouncer that follows prepared statements of the protocol (max_prepared_statements)"""
needs_psycopg3 = pytest.mark.skipif(not is_psycopg3, reason="needs psycopg 3; test_hazards_psycopg3 runs this")


@pytest.mark.hazard("H019")
def test_listen_hears_nothing_and_stays_with_a_stranger(pooled: Pooled) -> None:
    ask(connection, "LISTEN jobs")
    with pooled.shoved():
        assert ask(connection, "SELECT count(*) FROM pg_listening_channels()") == 0
    assert ask(pooled.client(), "SELECT pg_listening_channels()") == "jobs"


@pytest.mark.hazard("H019")
def test_listen_on_direct_hears_what_is_sent_through_the_pooler(pooled: Pooled) -> None:
    with listen("jobs", timeout=10) as arrivals:
        for payload in ("one", "two"):
            ask(connection, "SELECT pg_notify('jobs', %s)", payload)
        heard = [next(arrivals), next(arrivals)]
    assert [(one.channel, one.payload) for one in heard] == [("jobs", "one"), ("jobs", "two")]
    assert isinstance(heard[0], Notification)


def test_listen_ends_after_its_timeout(pooled: Pooled) -> None:
    with listen("jobs", timeout=0.05) as arrivals:
        assert list(arrivals) == []


def test_listen_says_that_its_connection_ended(pooled: Pooled) -> None:
    with listen("jobs", timeout=10) as arrivals:
        pooled.admin("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'")
        with pytest.raises(DatabaseError, match="LISTEN: the connection ended"):
            next(arrivals)


@pytest.mark.hazard("H020")
def test_a_session_lock_cannot_be_released_and_is_had_by_a_stranger(pooled: Pooled) -> None:
    ask(connection, "SELECT pg_advisory_lock(42)")
    with pooled.shoved():
        assert ask(connection, "SELECT pg_advisory_unlock(42)") is False
    assert ask(pooled.client(), "SELECT pg_try_advisory_lock(42)") is True, "two have it"
    connection.close()
    assert pooled.admin("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 42") == [(1,)]


@pytest.mark.hazard("H020")
def test_an_advisory_lock_on_direct_excludes_and_is_released(pooled: Pooled) -> None:
    with advisory_lock("nightly"), pooled.shoved():
        assert ask(connection, "SELECT 1") == 1, "the block itself uses the pool"
        with pytest.raises(LockTimeout, match="'nightly' is held by somebody"), advisory_lock("nightly", timeout=0.1):
            raise AssertionError
    with advisory_lock("nightly", timeout=0.1):
        pass


@pytest.mark.hazard("H020")
def test_a_lock_of_a_transaction_excludes_and_ends_with_it(pooled: Pooled) -> None:
    other = pooled.client()
    free = "SELECT pg_try_advisory_xact_lock(42)"
    with transaction.atomic():
        advisory_xact_lock(42)
        assert ask(other, free) is False
    assert ask(other, free) is True
    with advisory_lock(42), pytest.raises(LockTimeout), transaction.atomic():
        advisory_xact_lock(42, timeout=0.1)


def test_a_lock_of_a_transaction_is_refused_outside_of_one(pooled: Pooled) -> None:
    with pytest.raises(transaction.TransactionManagementError, match=r"outside of atomic\(\) holds nothing"):
        advisory_xact_lock(42)


def test_a_lock_whose_connection_died_says_so(pooled: Pooled) -> None:
    with pytest.raises(LockLost, match="'nightly' was lost"), advisory_lock("nightly"):
        pooled.admin("SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory'")


def test_a_lock_outlives_what_django_does_between_two_tasks(pooled: Pooled) -> None:
    with advisory_lock(42):
        connections.close_all()
        assert ask(connection, "SELECT pg_try_advisory_xact_lock(42)") is False


@pytest.mark.hazard("H021")
def test_a_temporary_table_is_lost_and_in_the_way_of_a_stranger(pooled: Pooled) -> None:
    make = "CREATE TEMP TABLE chosen (id int)"
    ask(connection, make)
    with pooled.shoved(), pytest.raises(DatabaseError, match='"chosen" does not exist'):
        ask(connection, "SELECT count(*) FROM chosen")
    with pytest.raises(DatabaseError, match='"chosen" already exists'):
        ask(pooled.client(), make)


@pytest.mark.hazard("H021")
def test_a_temporary_table_of_a_transaction_is_there_and_gone(pooled: Pooled) -> None:
    make = "CREATE TEMP TABLE chosen (id int) ON COMMIT DROP"
    for client in (connection, pooled.client()):
        client.set_autocommit(False)
        ask(client, make)
        with pooled.shoved():
            assert ask(client, "SELECT count(*) FROM chosen") == 0
        client.commit()
        client.set_autocommit(True)


@pytest.mark.hazard("H022")
def test_a_statement_prepared_in_sql_is_lost_and_in_the_way_of_a_stranger(pooled: Pooled) -> None:
    prepare = "PREPARE one (int) AS SELECT name FROM thing WHERE id = $1"
    ask(connection, prepare)
    with pooled.shoved(), pytest.raises(DatabaseError, match='"one" does not exist'):
        ask(connection, "EXECUTE one (1)")
    with pytest.raises(DatabaseError, match='"one" already exists'):
        ask(pooled.client(), prepare)
    with pooled.shoved():
        assert ask(connection, "SELECT name FROM thing WHERE id = %s", 1) == "thing 1"


@pytest.mark.hazard("H023")
@needs_psycopg3
def test_a_prepared_statement_of_the_driver_is_lost_before_pgbouncer_1_21(pooled: Pooled) -> None:
    if pooled.version >= FOLLOWS:
        pytest.skip("this PgBouncer follows them")
    prepares = pooled.client(OPTIONS={"application_name": "test", "prepare_threshold": 0, "server_side_binding": True})
    assert ask(prepares, "SELECT name FROM thing WHERE id = %s", 1) == "thing 1"
    with pooled.shoved(), pytest.raises(DatabaseError, match='"_pg3_0" does not exist'):
        ask(prepares, "SELECT name FROM thing WHERE id = %s", 2)


@pytest.mark.hazard("H023")
@needs_psycopg3
def test_a_pgbouncer_that_follows_prepared_statements_carries_them(pooled: Pooled) -> None:
    if pooled.version < FOLLOWS:
        pytest.skip("PgBouncer 1.21 follows them; Debian 13 has it")
    prepares = pooled.client(OPTIONS={"application_name": "test", "prepare_threshold": 0, "server_side_binding": True})
    assert ask(prepares, "SELECT name FROM thing WHERE id = %s", 1) == "thing 1"
    with pooled.shoved():
        assert ask(prepares, "SELECT name FROM thing WHERE id = %s", 2) == "thing 2"


@pytest.mark.hazard("H025")
def test_the_last_key_is_undefined_or_that_of_a_stranger(pooled: Pooled) -> None:
    ask(connection, "INSERT INTO thing (name) VALUES ('mine')")
    with pooled.shoved(), pytest.raises(DatabaseError, match="not yet defined in this session"):
        ask(connection, "SELECT lastval()")
    theirs = ask(pooled.client(), "INSERT INTO thing (name) VALUES ('theirs') RETURNING id")
    assert ask(connection, "SELECT lastval()") == theirs
    ask(connection, "DELETE FROM thing WHERE name IN ('mine', 'theirs')")


@pytest.mark.hazard("H043")
def test_a_connection_kept_by_a_thread_is_dead_after_a_restart_of_the_pooler(pooled: Pooled) -> None:
    found: dict[str, object] = {}

    def work(engine: str) -> None:
        client = pooled.client(ENGINE=engine)
        ask(client, "SELECT 1")
        ready.wait()
        ready.wait()
        try:
            found[engine] = ask(client, "SELECT 1")
        except DatabaseError:
            found[engine] = "failed"
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
    assert found == {"django.db.backends.postgresql": "failed", "pgstack.db": 1}


@pytest.mark.hazard("H044")
@needs_psycopg3
def test_a_pool_in_the_process_keeps_clients_that_it_does_not_use(pooled: Pooled) -> None:
    client = pooled.client(
        ENGINE="django.db.backends.postgresql", CONN_MAX_AGE=0,
        OPTIONS={"application_name": "test", "pool": {"min_size": 4, "max_size": 4}},
    )  # fmt: skip
    ask(client, "SELECT 1")
    pooled.wait_until(lambda: pooled.clients() == 4)
    client.close()
    time.sleep(0.05)
    assert pooled.clients() == 4
    client.close_pool()
