"""`on_direct()`: a block on a session of its own, past the pooler."""

from __future__ import annotations

import asyncio
import threading

import pytest
from django.core.exceptions import ImproperlyConfigured, SynchronousOnlyOperation
from django.db import connection, connections, transaction
from django.test import TestCase

from fixtures.pooled import Pooled, ask, run_case
from pgstack.db.direct import on_direct

WHO = "SELECT current_user"


def test_everything_that_asks_for_default_goes_to_direct(pooled: Pooled) -> None:
    things = pooled.model("thing").objects
    assert ask(connection, WHO) == "app"
    with on_direct():
        assert ask(connection, WHO) == ask(connections["default"], WHO) == "app_owner"
        with transaction.atomic():
            ask(connection, "SET statement_timeout = '7s'")
            things.filter(pk=1).update(name="changed")
        with pooled.shoved():
            assert ask(connection, "SHOW statement_timeout") == "7s", "the session is kept"
        row = things.get(pk=1)
    assert ask(connection, WHO) == "app"
    assert row.name == "changed"
    row.name = "thing 1"
    row.save()
    assert ask(pooled.client(), "SELECT name FROM thing WHERE id = 1") == "thing 1"


def test_it_is_a_decorator_too_and_nests(pooled: Pooled) -> None:
    @on_direct()
    def who() -> str:
        with on_direct():
            return str(ask(connection, WHO))

    assert (who(), ask(connection, WHO)) == ("app_owner", "app")


def test_an_error_leads_back_to_the_pooler(pooled: Pooled) -> None:
    with pytest.raises(ZeroDivisionError), on_direct():
        raise ZeroDivisionError
    assert ask(connection, WHO) == "app"


def test_what_it_opened_is_closed(pooled: Pooled) -> None:
    with on_direct():
        ask(connection, "SELECT 1")
    assert connections["direct"].connection is None


def test_what_was_open_stays_open(pooled: Pooled) -> None:
    pid = ask(connections["direct"], "SELECT pg_backend_pid()")
    with on_direct():
        assert ask(connection, "SELECT pg_backend_pid()") == pid
    assert connections["direct"].connection is not None


def test_another_thread_stays_on_the_pooler(pooled: Pooled) -> None:
    answers: list[str] = []

    def work() -> None:
        answers.append(ask(connection, WHO))
        connection.close()

    with on_direct():
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert answers == ["app"]


def test_it_is_refused_within_a_transaction(pooled: Pooled) -> None:
    with (
        pytest.raises(
            transaction.TransactionManagementError, match=r"Put on_direct\(\) around atomic\(\)"
        ),
        transaction.atomic(),
        on_direct(),
    ):
        raise AssertionError


def test_within_a_test_case_it_stays_on_the_transaction_of_the_test(pooled: Pooled) -> None:
    class Case(TestCase):
        def test(self) -> None:
            with on_direct():
                assert ask(connection, WHO) == "app"

    run_case(Case)


def test_it_needs_the_alias(pooled: Pooled) -> None:
    kept = connections.settings.pop("direct")
    try:
        with (
            pytest.raises(ImproperlyConfigured, match="DATABASES has no alias `direct`"),
            on_direct(),
        ):
            raise AssertionError
    finally:
        connections.settings["direct"] = kept


def test_it_is_refused_in_async_code(pooled: Pooled) -> None:
    async def work() -> None:
        with on_direct():
            raise AssertionError

    runner = asyncio.new_event_loop()
    thread = threading.Thread(target=lambda: errors.append(outcome(runner, work())))
    errors: list[type[BaseException] | None] = []
    thread.start()
    thread.join()
    runner.close()
    assert errors == [SynchronousOnlyOperation]


def outcome(runner: asyncio.AbstractEventLoop, work: object) -> type[BaseException] | None:
    """The kind of error that a coroutine ends with."""
    try:
        runner.run_until_complete(work)  # type: ignore[arg-type]
    except SynchronousOnlyOperation as error:
        return type(error)
    return None
