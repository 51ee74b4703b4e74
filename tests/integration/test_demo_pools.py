"""The front page's view of the pools, without a server: it asks seldom, and it survives a silent
console."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from demo import pools


@pytest.fixture(autouse=True)
def fresh_cache(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(pools, "_cache", pools._Cache())
    return


def test_a_silent_console_is_shown_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise ConnectionRefusedError("no such socket")

    monkeypatch.setattr(pools.pooler, "pools", refuse)
    assert pools.live_pools().as_json() == {"available": False, "pools": []}


def test_many_looks_ask_the_console_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    monkeypatch.setattr(pools.pooler, "pools", lambda: calls.append(1) or [])
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: pools.live_pools(), range(200)))
    assert len(calls) == 1
    assert all(answer.available for answer in answers)


def test_a_silent_console_is_not_asked_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def hang_up() -> None:
        calls.append(1)
        raise OSError("closed")

    monkeypatch.setattr(pools.pooler, "pools", hang_up)
    for _ in range(50):
        pools.live_pools()
    assert len(calls) == 1


def test_an_old_answer_is_renewed_while_others_keep_reading_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pools.pooler, "pools", list)
    pools.live_pools()
    monkeypatch.setattr(pools._cache, "until", 0.1)  # long ago, but not never
    asked, release = threading.Event(), threading.Event()

    def slow() -> list[object]:
        asked.set()
        assert release.wait(10)
        return []

    monkeypatch.setattr(pools.pooler, "pools", slow)
    renewer = threading.Thread(target=pools.live_pools)
    renewer.start()
    assert asked.wait(10)
    assert pools.live_pools().available is True  # at once, although the console is being asked
    release.set()
    renewer.join(10)
    assert not renewer.is_alive()
