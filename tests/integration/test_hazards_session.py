"""What a session keeps: settings, roles and the like, on real PgBouncer. Each breaks, and its fix
works."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.backends.postgresql.psycopg_any import is_psycopg3

from fixtures.pooled import Pooled, ask, leaks


@pytest.mark.hazard("H007", "reproduced")
def test_search_path_is_lost_and_hides_the_tables_of_strangers(pooled: Pooled) -> None:
    assert leaks(pooled, "SET search_path TO pg_catalog", "SHOW search_path") == (
        '"$user", public',
        "pg_catalog",
    )
    with pytest.raises(DatabaseError, match='relation "thing" does not exist'):
        ask(pooled.client(), "SELECT count(*) FROM thing")


@pytest.mark.hazard("H007", "fixed")
def test_search_path_of_a_transaction_stays_in_it(pooled: Pooled) -> None:
    with transaction.atomic():
        ask(connection, "SET LOCAL search_path TO pg_catalog")
        assert ask(connection, "SHOW search_path") == "pg_catalog"
    assert ask(pooled.client(), "SELECT count(*) FROM thing") == 500


@pytest.mark.hazard("H008", "reproduced")
def test_a_timeout_is_lost_for_its_owner_and_strikes_a_stranger(pooled: Pooled) -> None:
    assert leaks(pooled, "SET statement_timeout = '50ms'", "SHOW statement_timeout") == (
        "0",
        "50ms",
    )
    with pytest.raises(DatabaseError, match="statement timeout"):
        ask(pooled.client(), "SELECT pg_sleep(5)")


@pytest.mark.hazard("H008", "fixed")
def test_a_timeout_of_a_transaction_stays_in_it(pooled: Pooled) -> None:
    with transaction.atomic():
        ask(connection, "SET LOCAL statement_timeout = '50ms'")
        assert ask(connection, "SHOW statement_timeout") == "50ms"
    assert ask(pooled.client(), "SHOW statement_timeout") == "0"


@pytest.mark.hazard("H010", "reproduced", "fixed")
def test_set_local_without_a_transaction_sets_nothing(pooled: Pooled) -> None:
    ask(connection, "SET LOCAL statement_timeout = '50ms'")
    assert ask(connection, "SHOW statement_timeout") == "0"
    with transaction.atomic():
        ask(connection, "SET LOCAL statement_timeout = '50ms'")
        assert ask(connection, "SHOW statement_timeout") == "50ms"


@pytest.mark.hazard("H011", "reproduced", "fixed")
def test_a_custom_setting_is_empty_and_not_null_after_its_transaction(pooled: Pooled) -> None:
    look = "SELECT current_setting('shop.tenant', true)"
    assert ask(connection, look) is None
    with transaction.atomic():
        ask(connection, "SET LOCAL shop.tenant = 'a'")
    assert ask(pooled.client(), look) == ""
    assert ask(pooled.client(), "SELECT nullif(current_setting('shop.tenant', true), '')") is None


@pytest.mark.hazard("H012", "reproduced")
def test_a_role_is_lost_and_is_worn_by_a_stranger(pooled: Pooled) -> None:
    assert leaks(pooled, "SET ROLE reports", "SELECT current_user") == ("app", "reports")


@pytest.mark.hazard("H012", "reproduced", "fixed")
def test_assume_role_is_worn_by_a_stranger_and_a_login_as_the_role_is_not(pooled: Pooled) -> None:
    assumed = pooled.client(OPTIONS={"application_name": "test", "assume_role": "reports"})
    assert ask(assumed, "SELECT current_user") == "reports"
    assert ask(pooled.client(), "SELECT current_user") == "reports"
    pooled.begin()
    assert ask(pooled.client(USER="reports"), "SELECT current_user") == "reports"
    assert ask(pooled.client(), "SELECT current_user") == "app"


@pytest.mark.hazard("H013", "reproduced")
def test_session_authorization_is_worn_by_a_stranger(pooled: Pooled) -> None:
    first = pooled.client(USER="postgres")
    ask(first, "SET SESSION AUTHORIZATION reports")
    assert ask(pooled.client(USER="postgres"), "SELECT session_user") == "reports"


@pytest.mark.hazard("H013", "fixed")
def test_session_authorization_on_direct_is_worn_by_nobody_else(pooled: Pooled) -> None:
    first, second = (pooled.client(pooled=False, USER="postgres", POOLED=False) for _ in range(2))
    ask(first, "SET SESSION AUTHORIZATION reports")
    assert ask(first, "SELECT session_user") == "reports"
    assert ask(second, "SELECT session_user") == "postgres"
    assert ask(pooled.client(USER="postgres"), "SELECT session_user") == "postgres"
    assert ask(pooled.client(USER="reports"), "SELECT session_user") == "reports", (
        "the other fix: log in as the role"
    )


@pytest.mark.hazard("H014", "reproduced")
def test_read_only_for_the_session_refuses_the_writes_of_strangers(pooled: Pooled) -> None:
    ask(connection, "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
    with pytest.raises(DatabaseError, match="read-only transaction"):
        ask(pooled.client(), "UPDATE thing SET name = name WHERE id = 1")


@pytest.mark.hazard("H014", "fixed")
def test_read_only_for_the_transaction_does_not(pooled: Pooled) -> None:
    with transaction.atomic():
        ask(connection, "SET TRANSACTION READ ONLY")
        assert ask(connection, "SHOW transaction_read_only") == "on"
    ask(pooled.client(), "UPDATE thing SET name = name WHERE id = 1")


@pytest.mark.hazard("H015", "reproduced")
@pytest.mark.skipif(
    is_psycopg3, reason="psycopg 3 sends it with each BEGIN; set_session is psycopg2's"
)
def test_set_session_of_psycopg2_refuses_the_writes_of_strangers(pooled: Pooled) -> None:
    connection.ensure_connection()
    connection.connection.set_session(readonly=True, autocommit=True)
    ask(connection, "SELECT 1")
    with pytest.raises(DatabaseError, match="read-only transaction"):
        ask(pooled.client(), "UPDATE thing SET name = name WHERE id = 1")


@pytest.mark.hazard("H015", "fixed")
def test_a_transaction_that_asks_for_read_only_leaves_the_writes_of_strangers_alone(
    pooled: Pooled,
) -> None:
    with transaction.atomic():
        ask(connection, "SET TRANSACTION READ ONLY")
        ask(connection, "SELECT 1")
    ask(pooled.client(), "UPDATE thing SET name = name WHERE id = 1")


@pytest.mark.hazard("H016", "reproduced", "fixed")
def test_an_isolation_level_does_not_reach_autocommit(pooled: Pooled) -> None:
    serializable = pooled.client(
        OPTIONS={"application_name": "test", "isolation_level": 4 if is_psycopg3 else 3}
    )
    look = "SHOW transaction_isolation"
    assert ask(serializable, look) == "read committed"
    serializable.set_autocommit(False)
    assert ask(serializable, look) == "serializable"
    serializable.rollback()
    with transaction.atomic():
        ask(connection, "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
        assert ask(connection, look) == "serializable"


@pytest.mark.hazard("H017", "reproduced", "fixed")
@pytest.mark.parametrize(("zone", "transactions"), [("Europe/Berlin", 2), ("UTC", 1)])
def test_a_time_zone_costs_a_statement_for_each_connection(
    pooled: Pooled, zone: str, transactions: int
) -> None:
    before = pooled.transactions()
    ask(pooled.client(TIME_ZONE=zone), "SELECT 1")
    assert pooled.transactions() - before == transactions


@pytest.mark.hazard("H018", "reproduced")
def test_a_nameless_client_bears_the_name_of_another_before_pgbouncer_1_20(pooled: Pooled) -> None:
    if pooled.version >= (1, 20):
        pytest.skip("newer ones reset the name")
    ask(pooled.client(OPTIONS={"application_name": "somebody"}), "SELECT 1")
    assert ask(pooled.client(OPTIONS={}), "SHOW application_name") == "somebody"


@pytest.mark.hazard("H018", "fixed")
def test_a_client_with_a_name_bears_it_on_every_backend(pooled: Pooled) -> None:
    named = pooled.client(OPTIONS={"application_name": "me"})
    assert ask(named, "SHOW application_name") == "me"
    with pooled.shoved():
        assert ask(named, "SHOW application_name") == "me"
    ask(pooled.client(OPTIONS={"application_name": "somebody"}), "SELECT 1")
    assert ask(named, "SHOW application_name") == "me"


@pytest.mark.hazard("H026", "reproduced")
def test_a_seed_decides_what_a_stranger_draws(pooled: Pooled) -> None:
    seeded = "SELECT setseed(0.5)"
    with transaction.atomic():
        ask(connection, seeded)
        drawn = ask(connection, "SELECT random()")
    elsewhere, stranger = leaks(pooled, seeded, "SELECT random()")
    assert elsewhere != drawn
    assert stranger == drawn


@pytest.mark.hazard("H026", "fixed")
def test_a_seed_and_what_it_decides_in_one_transaction_are_on_one_backend(pooled: Pooled) -> None:
    def draw() -> Any:
        with transaction.atomic():
            ask(connection, "SELECT setseed(0.5)")
            return ask(connection, "SELECT random()")

    first = draw()
    with pooled.shoved():
        assert draw() == first


@pytest.mark.hazard("H027", "reproduced", "fixed")
def test_deferred_constraints_without_a_transaction_are_not(pooled: Pooled) -> None:
    early = "INSERT INTO part VALUES (1, 2)"
    ask(connection, "SET CONSTRAINTS ALL DEFERRED")
    with pytest.raises(IntegrityError):
        ask(connection, early)
    with transaction.atomic():
        ask(connection, "SET CONSTRAINTS ALL DEFERRED")
        ask(connection, early)
        ask(connection, "INSERT INTO part VALUES (2, 1)")


@pytest.mark.hazard("H048", "reproduced", "fixed")
def test_a_reset_query_does_not_run_between_transactions_unless_it_always_does(
    pooled: Pooled,
) -> None:
    with pooled.changed(server_reset_query="DISCARD ALL"):
        assert leaks(pooled, "SET statement_timeout = '50ms'", "SHOW statement_timeout") == (
            "0",
            "50ms",
        )
    with pooled.changed(server_reset_query="DISCARD ALL", server_reset_query_always="1"):
        assert leaks(pooled, "SET statement_timeout = '50ms'", "SHOW statement_timeout") == (
            "0",
            "0",
        )


@pytest.mark.hazard("H049", "reproduced", "fixed")
def test_a_leak_heals_with_its_backend_and_so_looks_random(pooled: Pooled) -> None:
    with pooled.changed(server_lifetime="1"):
        ask(connection, "SET statement_timeout = '50ms'")
        stranger = pooled.client()
        assert ask(stranger, "SHOW statement_timeout") == "50ms"
        pooled.wait_until(lambda: ask(stranger, "SHOW statement_timeout") == "0")
    ask(connection, "SET statement_timeout = '50ms'")
    stranger = pooled.client()
    pooled.console("RECONNECT")
    pooled.wait_until(lambda: ask(stranger, "SHOW statement_timeout") == "0")
