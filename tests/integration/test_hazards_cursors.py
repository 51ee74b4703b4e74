"""Cursors that live on a backend, on real PgBouncer in transaction mode: Django's own ones, and
SQL's."""

from __future__ import annotations

import gc
from itertools import islice
from typing import Any

import pytest
from django import forms
from django.db import DatabaseError, connection, connections, transaction

from fixtures.pooled import Pooled, ask

# psycopg 3 says so of a cursor that a broken iterator leaves; which test is told depends on the
# garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
GONE = r"_django_curs_\w+\W+ does not exist"


@pytest.fixture
def models(pooled: Pooled) -> dict[str, Any]:
    """Two models of tables that are alike."""
    return {name: pooled.model(name) for name in ("thing", "other")}


@pytest.fixture
def with_cursors(pooled: Pooled) -> Any:
    """Django as it comes: it reads iterators through cursors on the server."""
    connections.settings["default"]["DISABLE_SERVER_SIDE_CURSORS"] = False
    yield
    connections.settings["default"]["DISABLE_SERVER_SIDE_CURSORS"] = True
    gc.collect()


@pytest.mark.hazard("H001", "reproduced")
@pytest.mark.usefixtures("with_cursors")
def test_an_iterator_loses_its_cursor_to_the_next_backend(
    pooled: Pooled, models: dict[str, Any]
) -> None:
    read = models["thing"].objects.iterator(chunk_size=100)
    assert len(list(islice(read, 100))) == 100
    with pooled.shoved(), pytest.raises((DatabaseError, connection.Database.Error), match=GONE):
        next(read)


@pytest.mark.hazard("H001", "fixed")
def test_an_iterator_without_a_cursor_on_the_server_reads_on(
    pooled: Pooled, models: dict[str, Any]
) -> None:
    read = models["thing"].objects.iterator(chunk_size=100)
    assert len(list(islice(read, 100))) == 100
    with pooled.shoved():
        assert len(list(read)) == 400


@pytest.mark.hazard("H001", "fixed")
@pytest.mark.usefixtures("with_cursors")
def test_an_iterator_within_a_transaction_reads_on(pooled: Pooled, models: dict[str, Any]) -> None:
    with transaction.atomic():
        read = models["thing"].objects.iterator(chunk_size=100)
        assert len(list(islice(read, 100))) == 100
        with pooled.shoved():
            assert len(list(read)) == 400


@pytest.mark.hazard("H002", "reproduced", "fixed")
@pytest.mark.parametrize(("disabled", "read"), [(False, "other 101"), (True, "thing 101")])
def test_cursors_of_one_name_read_the_rows_of_another_table(
    pooled: Pooled, models: dict[str, Any], disabled: bool, read: str
) -> None:
    """Two processes that were forked name their cursors alike; so do two connections of one
    thread."""
    names = ("first", "second")
    for name in names:
        connections.settings[name] = connections.settings["default"] | {
            "DISABLE_SERVER_SIDE_CURSORS": disabled
        }
    mine, theirs = (
        models[table].objects.using(name).order_by("id").iterator(chunk_size=100)
        for table, name in zip(("thing", "other"), names, strict=True)
    )
    try:
        assert next(mine).name == "thing 1"
        with pooled.shoved():
            assert next(theirs).name == "other 1"
            assert list(islice(mine, 100))[-1].name == read, "without an error"
    finally:
        for name in names:
            connections[name].close()
            del connections[name], connections.settings[name]


@pytest.mark.hazard("H003", "reproduced")
@pytest.mark.usefixtures("with_cursors")
def test_the_choices_of_a_form_lose_their_cursor(pooled: Pooled, models: dict[str, Any]) -> None:
    choices = iter(
        forms.ModelChoiceField(models["thing"].objects.order_by("id"), empty_label=None).choices
    )
    assert next(choices)[0].value == 1
    with pooled.shoved(), pytest.raises((DatabaseError, connection.Database.Error), match=GONE):
        list(choices)


@pytest.mark.hazard("H003", "fixed")
def test_the_choices_of_a_form_without_a_cursor_on_the_server_are_whole(
    pooled: Pooled, models: dict[str, Any]
) -> None:
    choices = iter(
        forms.ModelChoiceField(models["thing"].objects.order_by("id"), empty_label=None).choices
    )
    assert next(choices)[0].value == 1
    with pooled.shoved():
        assert len(list(choices)) == 499


@pytest.mark.hazard("H004", "reproduced", "fixed")
def test_an_abandoned_iterator_leaves_its_cursor_for_a_stranger(
    pooled: Pooled, models: dict[str, Any]
) -> None:
    look = "SELECT count(*) FROM pg_cursors WHERE is_holdable"
    for disabled, left in ((False, 1), (True, 0)):
        connections.settings["default"]["DISABLE_SERVER_SIDE_CURSORS"] = disabled
        read = models["thing"].objects.iterator(chunk_size=10)
        next(read)
        assert ask(pooled.client(), look) == left
        read.close()


@pytest.mark.hazard("H005", "reproduced")
@pytest.mark.usefixtures("with_cursors")
def test_an_iterator_with_a_commit_for_each_row_fails(
    pooled: Pooled, models: dict[str, Any]
) -> None:
    def work() -> int:
        done = 0
        for row in models["thing"].objects.order_by("id").iterator(chunk_size=2):
            with transaction.atomic():
                row.save()
            done += 1
            if done == 2:
                shove.__enter__()
        return done

    shove = pooled.shoved()
    with pytest.raises((DatabaseError, connection.Database.Error), match=GONE):
        work()
    shove.__exit__(None, None, None)


@pytest.mark.hazard("H005", "fixed")
@pytest.mark.usefixtures("with_cursors")
def test_a_list_of_keys_with_a_commit_for_each_row_works(
    pooled: Pooled, models: dict[str, Any]
) -> None:
    keys = list(models["thing"].objects.order_by("id").values_list("pk", flat=True)[:4])
    with pooled.shoved():
        for key in keys:
            with transaction.atomic():
                models["thing"].objects.get(pk=key).save()


@pytest.mark.hazard("H006", "reproduced")
def test_a_cursor_with_hold_is_lost_and_found_by_a_stranger(pooled: Pooled) -> None:
    ask(connection, "DECLARE held CURSOR WITH HOLD FOR SELECT id FROM thing ORDER BY id")
    with pooled.shoved(), pytest.raises(DatabaseError, match='"held" does not exist'):
        ask(connection, "FETCH 1 FROM held")
    assert ask(pooled.client(), "FETCH 1 FROM held") == 1


@pytest.mark.hazard("H006", "fixed")
def test_a_cursor_of_a_transaction_is_read_and_gone(pooled: Pooled) -> None:
    with transaction.atomic():
        ask(connection, "DECLARE held CURSOR FOR SELECT id FROM thing ORDER BY id")
        with pooled.shoved():
            assert ask(connection, "FETCH 1 FROM held") == 1
    assert ask(pooled.client(), "SELECT count(*) FROM pg_cursors WHERE name = 'held'") == 0
