"""What the backend sends again when the pooler dies, and what never: on real PgBouncer, killed
while a statement runs.

A statement is in flight for as long as somebody holds a lock on its table.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from signal import SIGKILL
from typing import Any

import pytest
from django.db import DatabaseError, Error, connection, connections, transaction

from fixtures.bare_servers import PORT_POSTGRES
from fixtures.pooled import Pooled, ask

INSERT = "INSERT INTO other (name) VALUES ('new')"
STORED = "SELECT count(*) FROM other WHERE name = 'new'"
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"


@pytest.fixture(autouse=True)
def empty(pooled: Pooled) -> Iterator[None]:
    """No row of an earlier test, and some patience."""
    ask(connection, "DELETE FROM other WHERE name = 'new'")
    connections.settings["default"]["PATIENCE_SECONDS"] = 10
    yield
    del connections.settings["default"]["PATIENCE_SECONDS"]
    connections.settings["default"].pop("REPEAT", None)


def restart(pooled: Pooled) -> None:
    """The pooler dies and another one comes."""
    pooled.stop_pooler(SIGKILL)
    pooled.start_pooler()


@contextmanager
def dies_meanwhile(pooled: Pooled) -> Iterator[None]:
    """The pooler dies while the block's statement waits for a lock, which is given up when another
    pooler is there."""
    locker = pooled.client(pooled=False)
    ask(locker, "BEGIN")
    ask(locker, "LOCK TABLE other IN ACCESS EXCLUSIVE MODE")

    def meanwhile() -> None:
        pooled.wait_until(lambda: ask(watcher, WAITING) == 1)
        restart(pooled)
        ask(locker, "ROLLBACK")

    watcher = pooled.client(pooled=False, USER="postgres")
    thread = threading.Thread(target=meanwhile)
    thread.start()
    try:
        yield
    finally:
        thread.join()


@contextmanager
def away(pooled: Pooled, seconds: float) -> Iterator[None]:
    """PostgreSQL has ended all backends, and is not to be reached from within the block's begin for
    so long."""
    admin = pooled.client(pooled=False, USER="postgres")
    ask(admin, "SELECT 1")
    place = pooled.directory / f".s.PGSQL.{PORT_POSTGRES}"
    hidden = place.rename(place.with_suffix(".hidden"))
    ask(
        admin, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'app'"
    )
    back = threading.Timer(seconds, hidden.rename, [place])
    back.start()
    try:
        yield
    finally:
        back.join()


def stored(pooled: Pooled) -> int:
    """Rows that are there when all that was sent has ended."""
    active = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'INSERT%' AND state = 'active'"
    pooled.wait_until(lambda: pooled.admin(active) == [(0,)])
    return int(pooled.admin(STORED)[0][0])


def test_a_read_is_sent_again(pooled: Pooled) -> None:
    with dies_meanwhile(pooled):
        assert ask(connection, "SELECT count(*) FROM other") == 500


def test_a_read_is_not_sent_again_where_that_is_not_wanted(pooled: Pooled) -> None:
    connections.settings["default"]["REPEAT"] = False
    with dies_meanwhile(pooled), pytest.raises(DatabaseError):
        ask(connection, "SELECT count(*) FROM other")


def test_a_write_without_a_transaction_is_never_sent_again(pooled: Pooled) -> None:
    with dies_meanwhile(pooled), pytest.raises(DatabaseError):
        ask(connection, INSERT)
    assert stored(pooled) <= 1, "it may have been done"


@pytest.mark.parametrize(
    "sql", ["SELECT nextval('other_id_seq') FROM other", "SELECT id FROM other FOR UPDATE"]
)
def test_a_select_that_does_something_is_not_sent_again(pooled: Pooled, sql: str) -> None:
    with dies_meanwhile(pooled), pytest.raises(DatabaseError):
        ask(connection, sql)


def test_the_first_statement_of_a_transaction_is_sent_again_and_done_once(pooled: Pooled) -> None:
    told: list[str] = []
    with transaction.atomic():
        transaction.on_commit(lambda: told.append("committed"))
        with dies_meanwhile(pooled):
            ask(connection, INSERT)
        assert ask(connection, STORED) == 1
    assert (stored(pooled), told) == (1, ["committed"])
    ask(connection, INSERT)
    assert stored(pooled) == 2, "outside of the block each statement is committed again"


def test_the_first_statement_of_inner_blocks_is_sent_again(pooled: Pooled) -> None:
    with transaction.atomic():
        restart(pooled)
        with transaction.atomic(), transaction.atomic():
            ask(connection, INSERT)
    assert stored(pooled) == 1


def test_a_later_statement_of_a_transaction_is_never_sent_again(pooled: Pooled) -> None:
    @transaction.atomic
    def work() -> None:
        ask(connection, "SELECT 1")
        with dies_meanwhile(pooled):
            ask(connection, INSERT)

    with pytest.raises(DatabaseError):
        work()
    assert stored(pooled) == 0


def test_nothing_follows_in_a_transaction_of_which_a_part_is_lost(pooled: Pooled) -> None:
    def insert_twice() -> None:
        ask(connection, INSERT)
        restart(pooled)
        with pytest.raises(DatabaseError):
            ask(connection, INSERT)
        ask(connection, INSERT)

    with pytest.raises(Error), transaction.atomic():
        insert_twice()
    assert stored(pooled) == 0
    assert ask(connection, "SELECT 1") == 1


def test_the_same_holds_for_a_transaction_that_django_does_not_know(pooled: Pooled) -> None:
    ask(connection, "BEGIN")
    ask(connection, INSERT)
    restart(pooled)
    for _ in range(2):
        with pytest.raises(Error):
            ask(connection, INSERT)
    assert stored(pooled) == 0
    connection.close_if_unusable_or_obsolete()
    assert ask(connection, "SELECT 1") == 1


def test_after_a_write_that_failed_the_next_statement_connects(pooled: Pooled) -> None:
    with dies_meanwhile(pooled), pytest.raises(DatabaseError):
        ask(connection, INSERT)
    assert ask(connection, "SELECT 1") == 1


def test_a_commit_is_never_sent_again(pooled: Pooled) -> None:
    @transaction.atomic
    def work() -> None:
        ask(connection, INSERT)
        restart(pooled)

    with pytest.raises(DatabaseError):
        work()
    assert stored(pooled) == 0
    assert ask(connection, "SELECT 1") == 1


@pytest.mark.parametrize("sql", [INSERT, "SELECT pg_backend_pid()"])
def test_nothing_is_sent_to_a_pooler_that_has_gone(pooled: Pooled, sql: str) -> None:
    """Outside of a transaction, a write too: it was not sent before."""
    ask(connection, "SELECT 1")
    restart(pooled)
    ask(connection, sql)
    assert stored(pooled) == (1 if sql == INSERT else 0)


def test_a_server_that_comes_back_is_waited_for(pooled: Pooled) -> None:
    ask(connection, "SELECT 1")
    with away(pooled, seconds=2.5):
        assert ask(connection, "SELECT count(*) FROM other") == 500
    with away(pooled, seconds=2.5), transaction.atomic():
        ask(connection, INSERT)
        ask(connection, INSERT)
    assert stored(pooled) == 2


def test_a_statement_that_ends_its_backend_is_sent_twice_at_most(pooled: Pooled) -> None:
    """Here somebody ends it each time that it has begun."""
    locker, watcher = pooled.client(pooled=False), pooled.client(pooled=False, USER="postgres")
    ask(locker, "BEGIN")
    ask(locker, "LOCK TABLE other IN ACCESS EXCLUSIVE MODE")
    ended: list[int] = []
    over = threading.Event()

    def meanwhile() -> None:
        waiting = (
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE wait_event_type = "
            "'Lock'"
        )
        while not over.is_set():
            ended.append(ask(watcher, waiting))
            time.sleep(0.2)

    thread = threading.Thread(target=meanwhile)
    thread.start()
    with pytest.raises(DatabaseError):
        ask(connection, "SELECT count(*) FROM other")
    over.set()
    thread.join()
    ask(locker, "ROLLBACK")
    assert sum(ended) == 2


def test_whoever_meets_a_long_outage_later_does_not_wait_as_long_again(pooled: Pooled) -> None:
    connections.settings["default"]["PATIENCE_SECONDS"] = 1
    ask(connection, "SELECT 1")
    pooled.stop_pooler()
    took = []
    for _ in range(3):
        begun = time.monotonic()
        with pytest.raises(DatabaseError, match=r"No such file|Connection refused"):
            ask(connection, "SELECT 1")
        took.append(time.monotonic() - begun)
    pooled.start_pooler()
    assert took[0] > 0.7
    assert max(took[1:]) < 0.3
    assert ask(connection, "SELECT 1") == 1


def ends_in_an_error(pooled: Pooled, work: Callable[[], Any]) -> None:
    connections.settings["default"]["PATIENCE_SECONDS"] = 0.2
    ask(connection, "SELECT 1")
    pooled.stop_pooler()
    with pytest.raises(DatabaseError, match=r"No such file|Connection refused"):
        work()
    pooled.start_pooler()
    assert ask(connection, "SELECT 1") == 1


def test_a_pooler_that_does_not_come_back_is_an_error_and_the_next_statement_connects(
    pooled: Pooled,
) -> None:
    ends_in_an_error(pooled, lambda: ask(connection, "SELECT 1"))


def test_the_same_within_a_transaction(pooled: Pooled) -> None:
    @transaction.atomic
    def work() -> None:
        ask(connection, INSERT)

    ends_in_an_error(pooled, work)


def test_a_notification_that_waits_is_no_hang_up(pooled: Pooled) -> None:
    direct = connections["direct"]
    ask(direct, "LISTEN jobs")
    pid = ask(direct, "SELECT pg_backend_pid()")
    ask(connection, "SELECT pg_notify('jobs', '')")
    ask(connection, "SELECT 1")
    direct.close_if_unusable_or_obsolete()
    assert ask(direct, "SELECT pg_backend_pid()") == pid
