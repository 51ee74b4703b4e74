"""What Django asks of a backend and this one answers in its own way: the answer is Django's."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import (
    DatabaseError,
    IntegrityError,
    OperationalError,
    ProgrammingError,
    connection,
    connections,
    transaction,
)
from django.db.backends.postgresql.base import DatabaseWrapper
from django.test import TestCase

from fixtures.pooled import Pooled, ask, run_case
from pgstack.db.aliases import WHERE
from pgstack.db.owner import as_owner, leads_elsewhere


def test_a_test_that_provokes_an_error_of_the_database_passes(shared: Pooled) -> None:
    """At its end Django checks the constraints of a usable connection, and that fails in an aborted
    transaction."""

    class Provokes(TestCase):
        def test(self) -> None:
            with pytest.raises(IntegrityError):
                ask(connection, "INSERT INTO thing (id, name) VALUES (1, 'there is one')")

    run_case(Provokes)


@pytest.mark.parametrize("broken", [False, True])
def test_usable_is_what_django_calls_so(shared: Pooled, broken: bool) -> None:
    """With an aborted transaction too, which Django finds out by a statement and the driver
    knows."""
    client = shared.client()
    client.set_autocommit(False)
    if broken:
        with pytest.raises(DatabaseError):
            ask(client, "SELECT 1 / 0")
    else:
        ask(client, "SELECT 1")
    assert client.is_usable() is djangos(client) is not broken
    client.rollback()
    assert client.is_usable() is djangos(client) is True


def test_a_connection_that_ended_is_not_usable(shared: Pooled) -> None:
    client = shared.client()
    ask(client, "SELECT 1")
    client.connection.close()
    assert client.is_usable() is djangos(client) is False


def test_a_command_of_the_owner_leaves_the_pooler_but_not_a_transaction_or_a_test(
    shared: Pooled,
) -> None:
    assert leads_elsewhere()
    with transaction.atomic():
        assert not leads_elsewhere()
    own, direct = connection.settings_dict, connections.settings["direct"]
    before = dict(own)
    try:
        own.update({name: direct[name] for name in WHERE})  # as create_test_db does
        assert not leads_elsewhere()
    finally:
        own.update(before)
    with as_owner():
        assert ask(connections["default"], "SELECT current_user") == "app_owner"
        assert connections["default"].alias == "default"
    assert ask(connection, "SELECT current_user") == "app"


def test_a_command_of_the_owner_says_how_where_it_is_not_let_in(shared: Pooled) -> None:
    where = connections.settings["direct"]
    before = dict(where)
    where["USER"] = "nobody_known"
    try:
        with pytest.raises(
            CommandError, match=r"not let this account in as nobody_known: [^$]*Run it"
        ) as e:
            call_command("createcachetable", "a_cache")
    finally:
        where.update(before)
    assert e.value.returncode == 2


def test_what_the_role_may_not_do_is_refused_with_the_remedy(shared: Pooled) -> None:
    shared.admin("CREATE MATERIALIZED VIEW totals AS SELECT count(*) FROM thing")
    with pytest.raises(ProgrammingError, match="materialized view totals") as refused:
        ask(shared.client(), "REFRESH MATERIALIZED VIEW totals")
    shared.admin("DROP MATERIALIZED VIEW totals")
    assert "SECURITY DEFINER function that a migration makes" in "".join(refused.value.__notes__)


def djangos(client: Any) -> bool:
    """The answer of Django's own backend, by a round trip."""
    return bool(DatabaseWrapper.is_usable(client))


def test_a_lane_that_the_pooler_forgot_works_with_the_pool_of_all_others(shared: Pooled) -> None:
    client = shared.client(NAME="app_lane_gone", OTHERWISE="app")
    assert ask(client, "SELECT current_database()") == "app"
    with pytest.raises(OperationalError, match=r"login rejected|no such database"):
        ask(shared.client(NAME="app_lane_gone"), "SELECT 1")
    with pytest.raises(OperationalError, match=r"login rejected|no such database"):
        ask(shared.client(NAME="app_lane_gone", OTHERWISE="app_gone"), "SELECT 1")
