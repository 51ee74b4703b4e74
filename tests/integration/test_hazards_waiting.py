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

from fixtures.bare_servers import BACKENDS
from fixtures.pooled import Pooled, ask

SLEEPERS = (
    "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active'"
)


@contextmanager
def starved(pooled: Pooled) -> Iterator[None]:
    """Somebody holds each backend and does nothing with it."""
    holders = [pooled.client() for _ in range(BACKENDS)]
    for holder in holders:
        ask(holder, "BEGIN")
        ask(holder, "SELECT 1")
    yield
    for holder in holders:
        holder.close()


@pytest.mark.hazard("H037", "reproduced", "fixed")
@pytest.mark.parametrize("through_the_pool", [True, False])
def test_an_index_made_through_the_pool_is_unfinished_when_its_client_is_cut(
    pooled: Pooled, through_the_pool: bool
) -> None:
    pooled.admin("DROP TABLE IF EXISTS big")
    pooled.admin("CREATE TABLE big AS SELECT n FROM generate_series(1, 100) AS n")
    pooled.admin("ALTER TABLE big OWNER TO app")
    errors: list[BaseException | None] = []

    def make() -> None:
        client = pooled.client(through_the_pool, USER="app")
        try:
            ask(client, "CREATE INDEX CONCURRENTLY big_n ON big (n)")
        except DatabaseError as refused:
            errors.append(refused)
        else:
            errors.append(None)

    valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('big_n')"
    with pooled.changed(query_timeout="1"):
        blocker = pooled.client(pooled=False, USER="app")
        ask(blocker, "BEGIN")
        ask(blocker, "INSERT INTO big VALUES (0)")
        maker = threading.Thread(target=make)
        maker.start()
        maker.join(3)
        cut = [isinstance(error, DatabaseError) for error in errors]
        assert cut == ([True] if through_the_pool else []), "a client of PostgreSQL's own waits on"
        assert pooled.admin(valid) == [(False,)], "the backend of either goes on"
        ask(blocker, "ROLLBACK")
        pooled.wait_until(lambda: pooled.admin(valid) == [(True,)])
        maker.join(20)
        assert through_the_pool or errors == [None]


@pytest.mark.hazard("H038", "reproduced")
def test_a_statement_goes_on_when_the_pooler_has_cut_its_client(pooled: Pooled) -> None:
    with pooled.changed(query_timeout="1"):
        with pytest.raises(DatabaseError):
            ask(connection, "SELECT pg_sleep(10)")
        assert pooled.admin(SLEEPERS) == [(1,)]
        assert ask(pooled.client(), "SELECT 1") == 1, "and its place in the pool is given away"
        pooled.admin(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT "
            "pg_sleep%'"
        )


@pytest.mark.hazard("H038", "fixed")
def test_a_statement_timeout_below_that_of_the_pooler_ends_it(pooled: Pooled) -> None:
    pooled.admin("ALTER ROLE app SET statement_timeout = '200ms'")
    with pooled.changed(query_timeout="1"):
        with pytest.raises(DatabaseError, match="statement timeout"):
            ask(connection, "SELECT pg_sleep(10)")
        assert pooled.admin(SLEEPERS) == [(0,)]
        pooled.admin("ALTER ROLE app RESET statement_timeout")


@pytest.mark.hazard("H039", "reproduced", "fixed")
def test_idle_transactions_starve_everybody_until_their_timeout_ends_them(pooled: Pooled) -> None:
    with pooled.changed(query_wait_timeout="1"):
        with starved(pooled), pytest.raises(DatabaseError):
            ask(pooled.client(), "SELECT 1")
        pooled.admin("ALTER ROLE app SET idle_in_transaction_session_timeout = '200ms'")
        pooled.begin()
        with starved(pooled):
            assert ask(pooled.client(), "SELECT 1") == 1
        pooled.admin("ALTER ROLE app RESET idle_in_transaction_session_timeout")


@pytest.mark.hazard("H041", "reproduced", "fixed")
def test_an_end_of_waiting_reads_differently_in_the_two_drivers(pooled: Pooled) -> None:
    said = "query_wait_timeout" if is_psycopg3 else "server closed the connection unexpectedly"
    log = pooled.directory / "pgbouncer.log"
    known = log.read_text().count("query_wait_timeout")
    with (
        pooled.changed(query_wait_timeout="1"),
        starved(pooled),
        pytest.raises(DatabaseError, match=said),
    ):
        ask(pooled.client(), "SELECT 1")
    assert log.read_text().count("query_wait_timeout") > known, "the pooler's log has the reason"


@pytest.mark.hazard("H040", "reproduced", "fixed")
@pytest.mark.parametrize(("atomic", "held"), [(True, 1), (False, 0)])
def test_atomic_requests_hold_a_backend_for_the_whole_view(
    pooled: Pooled, atomic: bool, held: int
) -> None:
    counts = []

    def view(request: HttpRequest) -> HttpResponse:
        ask(connection, "SELECT 1")
        counts.append(pooled.busy())  # a call to another service, say
        return HttpResponse()

    connections.settings["default"]["ATOMIC_REQUESTS"] = atomic
    try:
        BaseHandler().make_view_atomic(view)(HttpRequest())
    finally:
        connections.settings["default"]["ATOMIC_REQUESTS"] = False
    assert counts == [held]


@pytest.mark.hazard("H042", "reproduced", "fixed")
@pytest.mark.parametrize(
    ("engine", "transactions"), [("django.db.backends.postgresql", 2), ("pgstack.db", 1)]
)
def test_a_health_check_is_one_more_transaction_for_each_request(
    pooled: Pooled, engine: str, transactions: int
) -> None:
    client = pooled.client(ENGINE=engine, CONN_HEALTH_CHECKS=True)
    ask(client, "SELECT 1")
    client.close_if_unusable_or_obsolete()
    before = pooled.transactions()
    ask(client, "SELECT 1")
    assert pooled.transactions() - before == transactions


@pytest.mark.hazard("H043", "reproduced", "fixed")
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
