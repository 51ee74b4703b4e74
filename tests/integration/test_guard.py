"""The guard sees statements that leave something in a session, before they are sent."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.core import mail
from django.db import connection, transaction
from django.db.backends.postgresql.psycopg_any import is_psycopg3
from django.test import TestCase, override_settings

from fixtures.pooled import Pooled, anew, ask, run_case
from pgstack.db import guard
from pgstack.db.guard import SessionStateError

STATEMENTS = [
    ("H006", "DECLARE held CURSOR WITH HOLD FOR SELECT 1"),
    ("H007", "SET search_path TO pg_catalog"),
    ("H007", "SET SCHEMA 'pg_catalog'"),
    ("H007", "SELECT set_config('search_path', '', false)"),
    ("H008", "SET statement_timeout = 100"),
    ("H008", "SET SESSION lock_timeout = 100"),
    ("H009", "SELECT set_config('shop.tenant', 'a', false)"),
    ("H012", "SET ROLE reports"),
    ("H013", "SET SESSION AUTHORIZATION reports"),
    ("H014", "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"),
    ("H019", "LISTEN jobs"),
    ("H020", "SELECT pg_advisory_lock(42)"),
    ("H020", "SELECT pg_try_advisory_lock(42)"),
    ("H020", "SELECT pg_advisory_unlock(42)"),
    ("H021", "CREATE TEMP TABLE chosen (id int)"),
    ("H022", "PREPARE one AS SELECT 1"),
    ("H022", "EXECUTE one"),
    ("H022", "DEALLOCATE ALL"),
    ("H026", "SELECT setseed(0.5)"),
    ("H026", "LOAD 'auto_explain'"),
    ("H037", "CREATE INDEX CONCURRENTLY thing_name ON thing (name)"),
    ("H046", "DISCARD ALL"),
    ("H046", "RESET ALL"),
]
NEEDS_TRANSACTION = [
    ("H010", "SET LOCAL statement_timeout = 100"),
    ("H010", "SELECT set_config('shop.tenant', 'a', true)"),
    ("H025", "SELECT lastval()"),
    ("H027", "SET CONSTRAINTS ALL DEFERRED"),
]
HARMLESS = [
    "SELECT count(*) FROM thing",
    "UPDATE thing SET name = name WHERE id = 1",
    "SHOW search_path",
    "SELECT 'SET search_path TO x'",
    "SELECT pg_notify('jobs', '')",
    "NOTIFY jobs",
    "SELECT pg_try_advisory_xact_lock(42)",
    "SET LOCAL statement_timeout = 100; SELECT 1",
]


@pytest.fixture
def guarded(shared: Pooled) -> Iterator[None]:
    """The alias `default` with a guard that raises, as in tests."""
    anew("default", GUARD="raise")
    yield
    anew("default", GUARD="off")


@pytest.mark.usefixtures("guarded")
@pytest.mark.parametrize(("hazard", "sql"), [*STATEMENTS, *NEEDS_TRANSACTION])
def test_a_statement_of_a_session_is_refused_and_not_sent(
    shared: Pooled, hazard: str, sql: str
) -> None:
    connection.ensure_connection()
    before = shared.transactions()
    with pytest.raises(SessionStateError) as caught:
        ask(connection, sql)
    assert caught.value.hazard == hazard
    assert f"See docs/hazards/{hazard}.md" in str(caught.value)
    assert sql in str(caught.value)
    assert shared.transactions() == before


@pytest.mark.usefixtures("guarded")
@pytest.mark.parametrize(("hazard", "sql"), STATEMENTS)
def test_the_same_is_refused_within_a_transaction(shared: Pooled, hazard: str, sql: str) -> None:
    with pytest.raises(SessionStateError), transaction.atomic():
        ask(connection, sql)


@pytest.mark.usefixtures("guarded")
@pytest.mark.parametrize("sql", [sql for _, sql in NEEDS_TRANSACTION if "lastval" not in sql])
def test_what_is_harmless_within_a_transaction_runs_there(shared: Pooled, sql: str) -> None:
    with transaction.atomic():
        ask(connection, sql)


@pytest.mark.usefixtures("guarded")
@pytest.mark.parametrize("sql", HARMLESS)
def test_what_leaves_nothing_runs(shared: Pooled, sql: str) -> None:
    ask(connection, sql)


@pytest.mark.usefixtures("guarded")
def test_what_a_driver_composes_is_read_too(shared: Pooled) -> None:
    if is_psycopg3:
        from psycopg import sql
    else:
        from psycopg2 import sql
    with (
        pytest.raises(SessionStateError, match='SET ROLE "reports"'),
        connection.cursor() as cursor,
    ):
        cursor.execute(sql.SQL("SET ROLE {}").format(sql.Identifier("reports")))
    with pytest.raises(SessionStateError, match="LISTEN jobs"), connection.cursor() as cursor:
        cursor.execute(b"LISTEN jobs")


@pytest.mark.usefixtures("guarded")
def test_a_cursor_on_the_server_outside_of_a_transaction_is_refused(shared: Pooled) -> None:
    with pytest.raises(SessionStateError, match="H001"):
        connection.chunked_cursor()
    with transaction.atomic(), connection.chunked_cursor() as cursor:
        cursor.execute("SELECT 1")


@pytest.mark.usefixtures("guarded")
def test_the_transaction_of_a_test_case_does_not_hide_what_production_has_not(
    shared: Pooled,
) -> None:
    """TestCase wraps each test in `atomic`; the code under test has no transaction for all that."""
    results: dict[str, Any] = {}

    class Case(TestCase):
        def test(self) -> None:
            with pytest.raises(SessionStateError) as caught:
                ask(connection, "SET LOCAL statement_timeout = 100")
            results["hazard"] = caught.value.hazard
            with transaction.atomic():
                ask(connection, "SET LOCAL statement_timeout = 100")
            results["in its own"] = True

    run_case(Case)
    assert results == {"hazard": "H010", "in its own": True}


def test_direct_has_no_guard(shared: Pooled) -> None:
    direct = shared.client(pooled=False, GUARD="raise", POOLED=False)
    ask(direct, "SET statement_timeout = 10000")


@pytest.mark.parametrize(
    ("debug", "under_test", "mode"), [(1, 0, "raise"), (0, 1, "raise"), (0, 0, "log")]
)
def test_the_mode_suits_the_process(
    shared: Pooled, monkeypatch: pytest.MonkeyPatch, debug: int, under_test: int, mode: str
) -> None:
    monkeypatch.delattr(mail, "outbox", raising=False)
    if under_test:
        monkeypatch.setattr(mail, "outbox", [], raising=False)
    with override_settings(DEBUG=bool(debug)):
        assert guard.usual_mode() == mode


def test_in_production_each_place_is_logged_once_and_counted(
    shared: Pooled, guarded: None, caplog: pytest.LogCaptureFixture
) -> None:
    def work() -> None:
        for _ in range(3):
            with connection.cursor() as cursor:
                cursor.execute("SET statement_timeout = 10000")

    anew("default", GUARD="log")
    with caplog.at_level(logging.WARNING, "pgstack.db.guard"):
        work()
    line = inspect.getsourcelines(work)[1] + 3
    assert len(caplog.records) == 1
    assert caplog.records[0].getMessage().splitlines()[0] == (
        f"{__file__}:{line}: H008 `SET` of a setting for the session on `default`, which a "
        f"transaction pooler "
        "serves: SET statement_timeout = 10000"
    )
    assert guard.counts()["H008", f"{__file__}:{line}"] == 3
    assert ask(connection, "SHOW statement_timeout") == "10s", "it ran"


@override_settings(DEBUG=True)
@pytest.mark.usefixtures("guarded")
def test_a_cursor_that_records_its_statements_is_guarded_and_repeats_too(shared: Pooled) -> None:
    with pytest.raises(SessionStateError):
        ask(connection, "LISTEN jobs")
    shared.stop_pooler()
    shared.start_pooler()
    assert ask(connection, "SELECT 1") == 1
    assert connection.queries_log[-1]["sql"] == "SELECT 1"
