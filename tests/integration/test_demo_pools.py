"""The front page's view of the pools, without a server: it asks seldom, and it survives a silent
console."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from demo import pools
from demo.queue import Counted, Queue


@pytest.fixture(autouse=True)
def fresh_cache(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(pools, "_cache", pools._Cache())
    return


def test_a_silent_console_is_shown_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise ConnectionRefusedError("no such socket")

    monkeypatch.setattr(pools.pooler, "pools", refuse)
    assert pools.live_pools().as_json() == {
        "available": False,
        "pools": [],
        "badge": {"text": "PgBouncer's console does not answer", "kind": "warn"},
    }


def pool(max_wait: float) -> pools.Pool:
    return pools.Pool("app", "app", "transaction", 3, 1, 5, 0, max_wait)


@pytest.mark.parametrize(
    ("queued", "waits", "text", "kind"),
    [
        (None, 0, "PgBouncer answers, nobody waits", "good"),
        (0.02, 0.09, "PgBouncer answers, nobody waits", "good"),
        (0.3, 0, "Requests wait 0.3 s for a free thread", "warn"),
        (2.5, 0.4, "Requests wait 2.5 s for a free thread", "bad"),
        (0.02, 0.4, "A request has waited 0.4 s for a backend", "warn"),
    ],
)
def test_the_badge_turns_when_requests_wait(
    queued: float | None, waits: float, text: str, kind: str
) -> None:
    assert pools.badge([pool(waits)], queued, 10) == pools.Badge(text, kind)


def test_the_wait_for_a_thread_is_that_of_the_last_seconds() -> None:
    queue = Queue()
    assert queue.wait(Counted(0, 100, 500)) is None
    assert queue.wait(Counted(5, 110, 502)) == 0.2
    assert queue.wait(Counted(9, 120, 502)) == 0.1
    assert queue.wait(Counted(14, 130, 503)) == 0.05  # the first look is too long ago
    assert queue.wait(Counted(60, 130, 503)) is None


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
