"""What Django asks of a backend and this one answers in its own way: the answer is Django's."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection
from django.db.backends.postgresql.base import DatabaseWrapper
from django.test import TestCase

from fixtures.pooled import Pooled, ask, run_case


def test_a_test_that_provokes_an_error_of_the_database_passes(shared: Pooled) -> None:
    """At its end Django checks the constraints of a connection that is usable, which fails in an aborted transaction."""

    class Provokes(TestCase):
        def test(self) -> None:
            with pytest.raises(IntegrityError):
                ask(connection, "INSERT INTO thing (id, name) VALUES (1, 'there is one')")

    run_case(Provokes)


@pytest.mark.parametrize("broken", [False, True])
def test_usable_is_what_django_calls_so(shared: Pooled, broken: bool) -> None:
    """With an aborted transaction too, which Django finds out by a statement and the driver knows."""
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


def djangos(client: Any) -> bool:
    """The answer of Django's own backend, by a round trip."""
    return bool(DatabaseWrapper.is_usable(client))
