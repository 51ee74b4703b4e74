"""Channels and locks, which a backend keeps, on real PgBouncer."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, connection, connections, transaction

from fixtures.pooled import Pooled, ask
from pgstack.db.locks import LockLost, LockTimeout, advisory_lock, advisory_xact_lock
from pgstack.db.notifications import Notification, listen


@pytest.mark.hazard("H019", "reproduced")
def test_listen_hears_nothing_and_stays_with_a_stranger(pooled: Pooled) -> None:
    ask(connection, "LISTEN jobs")
    with pooled.shoved():
        assert ask(connection, "SELECT count(*) FROM pg_listening_channels()") == 0
    assert ask(pooled.client(), "SELECT pg_listening_channels()") == "jobs"


@pytest.mark.hazard("H019", "fixed")
def test_listen_on_direct_hears_what_is_sent_through_the_pooler(pooled: Pooled) -> None:
    with listen("jobs", timeout=10) as arrivals:
        for payload in ("one", "two"):
            ask(connection, "SELECT pg_notify('jobs', %s)", payload)
        heard = [next(arrivals), next(arrivals)]
    assert [(notice.channel, notice.payload) for notice in heard] == [
        ("jobs", "one"),
        ("jobs", "two"),
    ]
    assert isinstance(heard[0], Notification)


def test_listen_ends_after_its_timeout(pooled: Pooled) -> None:
    with listen("jobs", timeout=0.05) as arrivals:
        assert list(arrivals) == []


def test_listen_says_that_its_connection_ended(pooled: Pooled) -> None:
    with listen("jobs", timeout=10) as arrivals:
        pooled.admin(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
        )
        with pytest.raises(DatabaseError, match="LISTEN: the connection ended"):
            next(arrivals)


@pytest.mark.hazard("H020", "reproduced")
def test_a_session_lock_cannot_be_released_and_is_had_by_a_stranger(pooled: Pooled) -> None:
    ask(connection, "SELECT pg_advisory_lock(42)")
    with pooled.shoved():
        assert ask(connection, "SELECT pg_advisory_unlock(42)") is False
    assert ask(pooled.client(), "SELECT pg_try_advisory_lock(42)") is True, "two have it"
    connection.close()
    assert pooled.admin(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 42"
    ) == [(1,)]


@pytest.mark.hazard("H020", "fixed")
def test_an_advisory_lock_on_direct_excludes_and_is_released(pooled: Pooled) -> None:
    with advisory_lock("nightly"), pooled.shoved():
        assert ask(connection, "SELECT 1") == 1, "the block itself uses the pool"
        with (
            pytest.raises(LockTimeout, match="'nightly' is held by somebody"),
            advisory_lock("nightly", timeout=0.1),
        ):
            raise AssertionError
    with advisory_lock("nightly", timeout=0.1):
        pass


@pytest.mark.hazard("H020", "fixed")
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
    with pytest.raises(
        transaction.TransactionManagementError, match=r"outside of atomic\(\) holds nothing"
    ):
        advisory_xact_lock(42)


def test_a_lock_whose_connection_died_says_so(pooled: Pooled) -> None:
    with pytest.raises(LockLost, match="'nightly' was lost"), advisory_lock("nightly"):
        pooled.admin(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory'"
        )


def test_a_lock_outlives_what_django_does_between_two_tasks(pooled: Pooled) -> None:
    with advisory_lock(42):
        connections.close_all()
        assert ask(connection, "SELECT pg_try_advisory_xact_lock(42)") is False
