"""Tenants that a setting of the session tells apart, on real PgBouncer."""

from __future__ import annotations

import pytest
from django.db import connection, transaction

from fixtures.pooled import Pooled, ask, leaks


@pytest.mark.hazard("H045", "reproduced", "fixed")
def test_a_schema_for_each_tenant_shows_one_tenant_the_rows_of_another(pooled: Pooled) -> None:
    for tenant in ("a", "b"):
        pooled.admin(
            f"CREATE SCHEMA {tenant}; CREATE TABLE {tenant}.invoice AS SELECT '{tenant}'::text AS "
            f"tenant"
        )
        pooled.admin(
            f"GRANT USAGE ON SCHEMA {tenant} TO app; GRANT SELECT ON {tenant}.invoice TO app"
        )
    other = pooled.client()
    ask(other, "SET search_path TO b")
    ask(connection, "SET search_path TO a")
    assert ask(other, "SELECT tenant FROM invoice") == "a"
    with transaction.atomic():
        ask(connection, "SET LOCAL search_path TO b")
        assert ask(connection, "SELECT tenant FROM invoice") == "b"


def tenants(pooled: Pooled) -> None:
    """A table whose rows are for the tenant that a setting names."""
    pooled.admin("DROP TABLE IF EXISTS secret")
    pooled.admin("CREATE TABLE secret AS SELECT t AS tenant FROM unnest('{a,b}'::text[]) AS t")
    pooled.admin("ALTER TABLE secret ENABLE ROW LEVEL SECURITY")
    pooled.admin(
        "CREATE POLICY own ON secret USING (tenant = current_setting('shop.tenant', true))"
    )
    pooled.admin("GRANT SELECT ON secret TO app")


@pytest.mark.hazard("H009", "reproduced")
def test_a_tenant_set_for_the_session_opens_its_rows_to_strangers(pooled: Pooled) -> None:
    tenants(pooled)
    rows = leaks(
        pooled,
        "SELECT set_config('shop.tenant', 'a', false)",
        "SELECT string_agg(tenant, ',') FROM secret",
    )
    assert rows == (None, "a")


@pytest.mark.hazard("H009", "fixed")
def test_a_tenant_set_for_the_transaction_does_not(pooled: Pooled) -> None:
    tenants(pooled)
    with transaction.atomic():
        ask(connection, "SELECT set_config('shop.tenant', 'a', true)")
        assert ask(connection, "SELECT string_agg(tenant, ',') FROM secret") == "a"
    assert ask(pooled.client(), "SELECT string_agg(tenant, ',') FROM secret") is None
