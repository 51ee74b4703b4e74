"""The alias `replica`: what is read from it, what never, and what becomes of a write there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import (
    InternalError,
    NotSupportedError,
    connection,
    connections,
    router,
    transaction,
)
from django.http import HttpResponse
from django.test import RequestFactory, TestCase, override_settings

from fixtures.pooled import Pooled, ask, run_case
from pgstack.db import replica
from pgstack.db.direct import on_direct
from pgstack.db.replica import on_primary, on_replica, reads_replica
from pgstack.middleware import PINNED, ReplicaReads

ROUTER = "pgstack.db.router.ReplicaRouter"
SECONDS = 10


class Elsewhere:
    """A router of a project's, which has a database of its own for one model."""

    def db_for_read(self, model: type[Any], **_: Any) -> str | None:
        return "elsewhere" if model.__name__ == "Other" else None


@pytest.fixture
def things(pooled: Pooled) -> Iterator[Any]:
    """A model, read by way of the router."""
    connections.settings["replica"] = pooled.alias(
        READ_ONLY=True, PINNED_SECONDS=SECONDS, TEST={"MIRROR": "default"}
    )
    connections.settings["default"]["NOTES_WRITES"] = True
    connections.configure_settings(connections.settings)
    with override_settings(DATABASE_ROUTERS=[ROUTER, Elsewhere()]):
        yield pooled.model("thing").objects
    for alias in ("replica", "default"):
        connections[alias].close()
        del connections[alias]
    del connections.settings["replica"], connections.settings["default"]["NOTES_WRITES"]


def answer(view: Callable[..., Any], method: str = "GET", **cookies: str) -> Any:
    """What the middleware makes of a request to a view."""
    request = RequestFactory().generic(method, "/")
    request.COOKIES.update(cookies)
    return ReplicaReads(view)(request)


def place(things: Any) -> HttpResponse:
    """Where a row is read from."""
    return HttpResponse(things.get(pk=1)._state.db)


def test_what_is_not_marked_is_read_from_default(things: Any) -> None:
    assert things.get(pk=1)._state.db == "default"


def test_a_block_and_a_function_are_marked(things: Any) -> None:
    with on_replica():
        assert things.get(pk=1)._state.db == "replica"
        with on_primary():
            assert things.get(pk=1)._state.db == "default"
    assert on_replica()(lambda: things.get(pk=1)._state.db)() == "replica"


def test_a_marked_view_reads_from_it_after_its_end_too(things: Any) -> None:
    rows: list[Any] = []

    @reads_replica
    def view(_: Any) -> HttpResponse:
        rows.append(things.all())
        return HttpResponse()

    def rendered(request: Any) -> HttpResponse:
        view(request)
        return HttpResponse({row._state.db for row in rows[0]})

    assert answer(rendered).content == b"replica"
    assert answer(lambda _: place(things)).content == b"default", "and no request after it"


def test_models_of_the_setting_are_read_from_it_in_requests_alone(things: Any) -> None:
    for listed in ("pooled", "pooled.Thing"):
        with override_settings(REPLICA_MODELS=[listed]):
            assert answer(lambda _: place(things)).content == b"replica"
            assert things.get(pk=1)._state.db == "default"


def test_never_within_a_transaction(things: Any) -> None:
    with on_replica(), transaction.atomic():
        assert things.get(pk=1)._state.db == "default"
    connection.ensure_connection()
    connection.set_autocommit(False)
    try:
        with on_replica():
            assert things.get(pk=1)._state.db == "default"
    finally:
        connection.rollback()
        connection.set_autocommit(True)


def test_never_on_direct_nor_for_what_another_router_leads_elsewhere(
    things: Any, pooled: Pooled
) -> None:
    with on_replica(), on_direct():
        assert things.get(pk=1)._state.db == "default"
    with on_replica():
        assert router.db_for_read(pooled.model("other")) == "elsewhere"


def test_what_was_read_from_it_is_written_to_default(things: Any) -> None:
    with on_replica():
        row = things.get(pk=1)
        others = things.select_for_update().filter(pk=2)
        assert (others.db, things.get_or_create(pk=2)[0]._state.db) == ("default", "default")
    row.name = row.name
    row.save()
    assert row._state.db == "default"
    assert router.allow_relation(row, things.using("replica").get(pk=2))
    row._state.db = "replica"
    assert router.db_for_read(type(row), instance=row) == "default"


def test_a_write_on_it_is_refused_before_it_is_sent(things: Any) -> None:
    reads = things.using("replica")
    row = reads.get(pk=1)
    for write in (
        lambda: reads.filter(pk=1).update(name="no"),
        lambda: reads.create(name="no"),
        lambda: row.save(using="replica"),
        lambda: row.delete(using="replica"),
    ):
        with pytest.raises(
            NotSupportedError, match=r"^`replica` takes no writes, .*: \w+ .*default"
        ):
            write()


def test_what_a_function_writes_the_server_refuses_with_the_remedy(things: Any) -> None:
    reads = connections["replica"]
    ask(reads, "BEGIN READ ONLY")
    with pytest.raises(InternalError) as refused:
        ask(reads, "SELECT setval('thing_id_seq', 1000)")
    assert "`replica` takes no writes" in "".join(refused.value.__notes__)


def test_a_request_reads_what_it_has_written(things: Any) -> None:
    def view(_: Any) -> HttpResponse:
        with on_replica():
            before = things.get(pk=1)._state.db
            things.filter(pk=1).update(name="thing 1")
            return HttpResponse([before, " ", things.get(pk=1)._state.db])

    told = answer(view)
    assert told.content == b"replica default"
    assert told.cookies[PINNED]["max-age"] == SECONDS


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_who_has_sent_something_reads_from_default(things: Any, method: str) -> None:
    view = on_replica()(lambda _: place(things))
    told = answer(view, method)
    assert (told.content, told.cookies[PINNED].value) == (b"default", "1")
    assert answer(view, **{PINNED: "1"}).content == b"default"
    read = answer(view)
    assert (read.content, [*read.cookies]) == (b"replica", [])


def test_a_function_that_writes_can_say_so(things: Any) -> None:
    def view(_: Any) -> HttpResponse:
        replica.note_write()
        return HttpResponse()

    assert PINNED in answer(view).cookies


@pytest.mark.parametrize(
    ("statement", "writes"),
    [
        ("SELECT 1", False),
        ("\n WITH a AS (SELECT 1) SELECT * FROM a", False),
        ("WITH a AS (INSERT INTO thing (name) VALUES ('a') RETURNING id) SELECT * FROM a", True),
        ("update thing SET name = 'a'", True),
        ("CALL work()", True),
        (b"SELECT 1", True),
    ],
)
def test_what_may_be_a_write_counts_as_one(statement: Any, writes: bool) -> None:
    with replica.of_request(pinned=False) as reads:
        replica.look_at(statement)
    assert reads.wrote is writes


def test_sessions_are_never_marked_around(things: Any) -> None:
    with on_replica():
        assert replica.wanted("shop", "shop.order")
        assert not replica.wanted("sessions", "sessions.session")


def test_commands_that_write_refuse_it(things: Any) -> None:
    for words in (["migrate"], ["flush"], ["dumpdata"], ["loaddata", "file"]):
        with pytest.raises(CommandError, match="--database=replica: it takes no writes"):
            call_command(*words, database="replica", verbosity=0)


def test_a_test_case_sees_its_own_rows_on_it(things: Any) -> None:
    class Case(TestCase):
        databases = {"default", "replica"}

        def test(self) -> None:
            things.filter(pk=1).update(name="of the test")
            assert things.using("replica").get(pk=1).name == "of the test"
            with on_replica():
                assert things.get(pk=1).name == "of the test"
            with pytest.raises(NotSupportedError):
                things.using("replica").filter(pk=1).update(name="no")

    creation = connections["replica"].creation
    creation.set_as_test_mirror(connections["default"].settings_dict)
    run_case(Case)
    assert things.get(pk=1).name == "thing 1"


def test_a_conflict_with_what_a_standby_replays_is_asked_again(
    things: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver says once what a standby says."""
    reads = connections["replica"]
    reads.ensure_connection()
    said: list[str] = []
    send = type(reads).create_cursor

    class Conflict:
        def __init__(self, cursor: Any) -> None:
            self.cursor = cursor

        def execute(self, sql: str, *params: Any) -> Any:
            if not said and "thing" in sql:
                said.append(sql)
                raise reads.Database.OperationalError(
                    "canceling statement due to conflict with recovery"
                )
            return self.cursor.execute(sql, *params)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.cursor, name)

    monkeypatch.setattr(type(reads), "create_cursor", lambda *of: Conflict(send(*of)))
    assert things.using("replica").get(pk=1).name == "thing 1"
    assert said
