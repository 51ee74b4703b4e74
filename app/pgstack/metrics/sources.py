"""What is asked at a scrape: every source at the same time, none longer than a scrape may take."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from pgstack.metrics.model import Sample, gauge

DEADLINE_SECONDS = 2.0
"""of all sources; a scrape takes a moment more"""
UP = gauge("up", "1 if a source answered in time.", "source")
TOOK = gauge("scrape_seconds", "How long a source took to answer.", "source")


@dataclass(frozen=True)
class Source:
    """A server that is asked, and how its answer becomes samples."""

    name: str
    read: Callable[[], Iterable[Sample]]
    """raises any exception where there is no answer"""


class Sources:
    """The sources of one exporter. One that is still being waited for is not asked again."""

    def __init__(self, sources: Iterable[Source], tell: Callable[[str], None]) -> None:
        self._sources, self._tell = tuple(sources), tell
        self._threads = ThreadPoolExecutor(len(self._sources), "source")
        self._late: dict[str, Future[tuple[list[Sample], float]]] = {}
        self._failed: dict[str, str] = {}
        self._lock = threading.Lock()
        self._found: list[Sample] = []
        self._ended = 0.0

    def collect(self, seconds: float = DEADLINE_SECONDS) -> list[Sample]:
        """Samples of the sources that answer within so many seconds. Callers that arrive while they
        are being asked share the answer."""
        came = time.monotonic()
        with self._lock:
            if self._ended < came:
                self._found = list(self._collect(seconds))
                self._ended = time.monotonic()
            return self._found

    def _collect(self, seconds: float) -> Iterator[Sample]:
        asked = {source.name: self._asked(source) for source in self._sources}
        wait(asked.values(), timeout=seconds)
        self._late = {name: answer for name, answer in asked.items() if not answer.done()}
        for name, answer in asked.items():
            yield from self._answer(name, answer)

    def _asked(self, source: Source) -> Future[tuple[list[Sample], float]]:
        late = self._late.get(source.name)
        if late is not None and not late.done():
            return late
        return self._threads.submit(_timed, source)

    def _answer(self, name: str, answer: Future[tuple[list[Sample], float]]) -> Iterator[Sample]:
        samples: list[Sample] = []
        reason = "no answer in time"
        if answer.done():
            error = answer.exception()
            reason = str(error).strip() or type(error).__name__ if error else ""
            if error is None:
                samples, took = answer.result()
                yield from TOOK.of(took, name)
        self._note(name, reason)
        yield from UP.of(not reason, name)
        yield from samples

    def _note(self, name: str, reason: str) -> None:
        """Log once when a source begins to fail, and once when it answers again."""
        before = self._failed.get(name, "")
        if bool(reason) != bool(before):
            self._tell(f"{name}: {reason.splitlines()[0] if reason else 'answers again'}")
        self._failed[name] = reason


def _timed(source: Source) -> tuple[list[Sample], float]:
    begun = time.monotonic()
    samples = list(source.read())
    return samples, time.monotonic() - begun
