"""Who waits for whom, and what a timeout ends: on real PgBouncer in transaction mode."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.core.handlers.base import BaseHandler
from django.db import DatabaseError, close_old_connections, connection, connections
from django.db.backends.postgresql.psycopg_any import is_psycopg3
from django.http import HttpRequest, HttpResponse

from fixtures.pooled import BACKENDS, Pooled, ask

SLEEPERS = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active'"


@contextmanager
def starved(pooled: Pooled) -> Iterator[None]:
    """Somebody holds each backend and does nothing with it."""
    holders = [pooled.client() for _ in range(BACKENDS)]
    for one in holders:
        ask(one, "BEGIN")
        ask(one, "SELECT 1")
    yield
    for one in holders:
        one.close()


@pytest.mark.hazard("H037")
def test_an_index_made_through_the_pool_goes_on_after_its_client_was_cut(pooled: Pooled) -> None:
    blocker = pooled.client(pooled=False)
    ask(connection, "DROP TABLE IF EXISTS big")
    ask(connection, "CREATE TABLE big AS SELECT n FROM generate_series(1, 100) AS n")
    invalid = "SELECT count(*) FROM pg_index WHERE indexrelid = to_regclass('big_n') AND NOT indisvalid"
    with pooled.changed(query_timeout="1"):
        pooled.admin("GRANT ALL ON big TO app_owner")
        ask(blocker, "BEGIN")
        ask(blocker, "INSERT INTO big VALUES (0)")
        with pytest.raises(DatabaseError):
            ask(pooled.client(), "CREATE INDEX CONCURRENTLY big_n ON big (n)")
        assert pooled.admin(invalid) == [(1,)], "the client has an error, the backend goes on"
        ask(blocker, "ROLLBACK")
        pooled.wait_until(lambda: pooled.admin(invalid) == [(0,)])


@pytest.mark.hazard("H038")
def test_a_statement_goes_on_when_the_pooler_has_cut_its_client(pooled: Pooled) -> None:
    with pooled.changed(query_timeout="1"):
        with pytest.raises(DatabaseError):
            ask(connection, "SELECT pg_sleep(10)")
        assert pooled.admin(SLEEPERS) == [(1,)]
        assert ask(pooled.client(), "SELECT 1") == 1, "and its place in the pool is given away"
        pooled.admin("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'")


@pytest.mark.hazard("H038")
def test_a_statement_timeout_below_that_of_the_pooler_ends_it(pooled: Pooled) -> None:
    pooled.admin("ALTER ROLE app SET statement_timeout = '200ms'")
    with pooled.changed(query_timeout="1"):
        with pytest.raises(DatabaseError, match="statement timeout"):
            ask(connection, "SELECT pg_sleep(10)")
        assert pooled.admin(SLEEPERS) == [(0,)]
        pooled.admin("ALTER ROLE app RESET statement_timeout")


@pytest.mark.hazard("H039")
def test_idle_transactions_starve_everybody_until_their_timeout_ends_them(pooled: Pooled) -> None:
    with pooled.changed(query_wait_timeout="1"):
        with starved(pooled), pytest.raises(DatabaseError):
            ask(pooled.client(), "SELECT 1")
        pooled.admin("ALTER ROLE app SET idle_in_transaction_session_timeout = '200ms'")
        pooled.begin()
        with starved(pooled):
            assert ask(pooled.client(), "SELECT 1") == 1
        pooled.admin("ALTER ROLE app RESET idle_in_transaction_session_timeout")


@pytest.mark.hazard("H041")
def test_an_end_of_waiting_reads_differently_in_the_two_drivers(pooled: Pooled) -> None:
    said = "query_wait_timeout" if is_psycopg3 else "server closed the connection unexpectedly"
    with pooled.changed(query_wait_timeout="1"), starved(pooled), pytest.raises(DatabaseError, match=said):
        ask(pooled.client(), "SELECT 1")


@pytest.mark.hazard("H040")
@pytest.mark.parametrize(("atomic", "held"), [(True, 1), (False, 0)])
def test_atomic_requests_hold_a_backend_for_the_whole_view(pooled: Pooled, atomic: bool, held: int) -> None:
    found = []

    def view(request: HttpRequest) -> HttpResponse:
        ask(connection, "SELECT 1")
        found.append(pooled.busy())  # a call to another service, say
        return HttpResponse()

    connections.settings["default"]["ATOMIC_REQUESTS"] = atomic
    try:
        BaseHandler().make_view_atomic(view)(HttpRequest())
    finally:
        connections.settings["default"]["ATOMIC_REQUESTS"] = False
    assert found == [held]


@pytest.mark.hazard("H042")
@pytest.mark.parametrize(("engine", "transactions"), [("django.db.backends.postgresql", 2), ("pgstack.db", 1)])
def test_a_health_check_is_one_more_transaction_for_each_request(
    pooled: Pooled, engine: str, transactions: int
) -> None:
    client = pooled.client(ENGINE=engine, CONN_HEALTH_CHECKS=True)
    ask(client, "SELECT 1")
    client.close_if_unusable_or_obsolete()
    before = pooled.transactions()
    ask(client, "SELECT 1")
    assert pooled.transactions() - before == transactions


@pytest.mark.hazard("H043")
def test_a_thread_without_a_request_keeps_a_client_until_it_closes_it(pooled: Pooled) -> None:
    done, go = threading.Event(), threading.Event()

    def work() -> None:
        ask(connection, "SELECT 1")
        done.set()
        go.wait(30)
        connection.close()
        close_old_connections()

    before = pooled.clients()
    thread = threading.Thread(target=work)
    thread.start()
    done.wait(30)
    assert pooled.clients() == before + 1
    go.set()
    thread.join()
    pooled.wait_until(lambda: pooled.clients() == before)
