"""The database backend replaces a connection between two requests, when its other side hung up or
moved."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.db.backends.postgresql.base import DatabaseWrapper as Plain

from pgstack.db import base


class Connection:
    """What the backend needs of a driver's connection: a socket, whether it was closed, its
    transaction."""

    def __init__(self, end: socket.socket) -> None:
        self.end, self.closed, self.info = end, 0, SimpleNamespace(transaction_status=base.IDLE)

    def fileno(self) -> int:
        return self.end.fileno()

    def close(self) -> None:
        self.end.close()
        self.closed = 1


class Pooler:
    """Listens at a path, and keeps the other ends."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self.path = str(directory / ".s.PGSQL.6432")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen()
        self.ends: list[socket.socket] = []

    def connect(self) -> Connection:
        client = socket.socket(socket.AF_UNIX)
        client.connect(self.path)
        self.ends.append(self.listener.accept()[0])
        return Connection(client)

    def close(self) -> None:
        for end in (self.listener, *self.ends):
            end.close()


@pytest.fixture
def poolers(tmp_path: Path) -> Iterator[dict[str, Pooler]]:
    """Two of them, and a link that leads to the first."""
    made = {name: Pooler(tmp_path / name) for name in ("a", "b")}
    (tmp_path / "pooler").symlink_to("a")
    yield made
    for pooler in made.values():
        pooler.close()


@pytest.fixture
def alias(tmp_path: Path, poolers: dict[str, Pooler], monkeypatch: pytest.MonkeyPatch) -> Any:
    """An alias that goes where the link leads, connected."""
    settings = {
        "HOST": str(tmp_path / "pooler"),
        "PORT": "6432",
        "CONN_HEALTH_CHECKS": False,
        "AUTOCOMMIT": True,
        "TIME_ZONE": None,
        "OPTIONS": {},
        "PATIENCE_SECONDS": 0,
    }
    wrapper = base.DatabaseWrapper(settings)
    monkeypatch.setattr(
        Plain,
        "get_new_connection",
        lambda self, params: poolers[(tmp_path / "pooler").readlink().name].connect(),
    )
    monkeypatch.setattr(Plain, "close_if_unusable_or_obsolete", lambda self: None)
    wrapper.connection = wrapper.get_new_connection({})
    yield wrapper
    if wrapper.connection is not None:
        wrapper.connection.close()


def test_a_connection_that_nothing_happened_to_stays(alias: Any) -> None:
    before = alias.connection
    alias.close_if_unusable_or_obsolete()
    assert alias.connection is before


def test_a_connection_that_the_other_side_closed_is_closed(
    alias: Any, poolers: dict[str, Pooler]
) -> None:
    poolers["a"].ends[0].close()
    assert not alias.is_usable()
    alias.close_if_unusable_or_obsolete()
    assert alias.connection is None


def test_a_connection_is_closed_when_the_link_leads_elsewhere(alias: Any, tmp_path: Path) -> None:
    (tmp_path / "next").symlink_to("b")
    (tmp_path / "next").replace(tmp_path / "pooler")
    assert alias.is_usable(), "the old one still answers"
    alias.close_if_unusable_or_obsolete()
    assert alias.connection is None


def test_a_connection_stays_while_there_is_no_socket(
    alias: Any, poolers: dict[str, Pooler]
) -> None:
    """Nobody to go to: the old one may still answer."""
    Path(poolers["a"].path).unlink()
    before = alias.connection
    alias.close_if_unusable_or_obsolete()
    assert alias.connection is before


def test_a_connection_stays_inside_a_transaction(alias: Any, poolers: dict[str, Pooler]) -> None:
    alias.in_atomic_block = True
    poolers["a"].ends[0].close()
    before = alias.connection
    alias.close_if_unusable_or_obsolete()
    assert alias.connection is before


def attempts(alias: Any, monkeypatch: pytest.MonkeyPatch, message: str, patience: float) -> int:
    """How often connecting is tried when each attempt ends with `message`."""
    tried: list[int] = []

    def fail(self: Any, params: Any) -> None:
        tried.append(1)
        raise self.Database.OperationalError(message)

    monkeypatch.setattr(Plain, "get_new_connection", fail)
    monkeypatch.setattr(base.time, "sleep", lambda seconds: None)
    alias.settings_dict["PATIENCE_SECONDS"] = patience
    with pytest.raises(alias.Database.OperationalError):
        alias.get_new_connection({})
    return len(tried)


def test_connecting_is_tried_again_while_the_other_side_comes_back(
    alias: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert attempts(alias, monkeypatch, "connection to server failed: Connection refused", 0.2) > 1


def test_connecting_is_tried_once_without_patience(
    alias: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert attempts(alias, monkeypatch, "connection to server failed: Connection refused", 0) == 1


def test_a_refused_login_is_not_tried_again(alias: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert attempts(alias, monkeypatch, "FATAL: login rejected", 5) == 1
