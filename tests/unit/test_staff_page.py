"""Who is let in to the page: by a login, by what was signed for it, and while no login can be
asked."""

from __future__ import annotations

import time

import pytest
from django.core import signing
from django.db import OperationalError
from django.test import RequestFactory

from fixtures.django_settings import configure
from pgstack import staff_page
from pgstack.staff_page import Visitor

configure()

HOUR = 3600


def signed(monkeypatch: pytest.MonkeyPatch, word: str, age: float) -> str:
    with monkeypatch.context() as patch:
        moment = signing.b62_encode(int(time.time() - age))
        patch.setattr(signing.TimestampSigner, "timestamp", lambda self: moment)
        return staff_page._signer().sign(word)


def visitor(cookie: str) -> Visitor:
    request = RequestFactory().get("/stack/")
    request.COOKIES[staff_page.COOKIE] = cookie
    return staff_page._visitor(request)


@pytest.fixture
def login(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What Django's login says, by the last item; each question is noted before it."""
    says: list[object] = [True]

    def ask(request: object) -> bool:
        says.insert(0, "asked")
        if isinstance(says[-1], Exception):
            raise says[-1]
        return bool(says[-1])

    monkeypatch.setattr(staff_page, "_is_staff", ask)
    key = "a key of this test, and a long one: 0123456789 0123456789 0123456789"
    monkeypatch.setattr(staff_page.settings, "secret_key", lambda: key)
    return says


def test_a_login_is_asked_for_once_a_minute(
    login: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert visitor(signed(monkeypatch, "staff", 50)) == Visitor(allowed=True)
    assert login == [True]
    assert visitor(signed(monkeypatch, "staff", 70)) == Visitor(allowed=True, word="staff")
    assert login == ["asked", True]


def test_who_is_staff_no_more_is_refused_after_a_minute(
    login: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    login[-1] = False
    assert not visitor(signed(monkeypatch, "staff", 70)).allowed
    assert not visitor("").allowed


def test_who_was_staff_is_let_in_while_the_database_is_down(
    login: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    login[-1] = OperationalError("away")
    assert visitor(signed(monkeypatch, "staff", 11 * HOUR)).allowed
    assert not visitor(signed(monkeypatch, "staff", 13 * HOUR)).allowed
    assert not visitor("").allowed


def test_an_invitation_lasts_for_half_a_day(
    login: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    login[-1] = False
    assert visitor(signed(monkeypatch, "invited", 11 * HOUR)).allowed
    assert not visitor(signed(monkeypatch, "invited", 13 * HOUR)).allowed


@pytest.mark.parametrize(
    ("asked", "passed"),
    [
        ("since=12.5", "?since=12.5"),
        ("range=7d", "?range=7d"),
        ("range=7d&since=1&query=up", "?range=7d"),
        ("range=7d%22+or+up", ""),
        ("range=1h&step=1", ""),
        ("query=up&time=1", ""),
        ("since=1%20HTTP/1.0%0d%0aHost:", ""),
    ],
)
def test_the_exporter_is_asked_for_a_time_or_a_range_and_nothing_else(
    asked: str, passed: str
) -> None:
    assert staff_page._query(RequestFactory().get(f"/stack/history.json?{asked}")) == passed


@pytest.mark.parametrize("word", ["address", "", "other"])
def test_other_signed_words_let_nobody_in(
    login: list[object], monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    login[-1] = False
    assert not visitor(signed(monkeypatch, word, 1)).allowed
