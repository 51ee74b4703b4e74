"""A load that knows what it was promised: every write has a unique key, and each is looked up at
the end.

An acknowledged write must be stored. One that failed may be stored all the same: its answer was
lost, not the write. Those are counted apart.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol, TypeVar

import requests

USERS = 8
PAUSE_SECONDS = 0.07
"""between two requests of a user: about 100 requests/s in all"""
PATIENCE_SECONDS = 60
APPLIED, REFUSED = 201, 409


class Site(Protocol):
    """What users ask, and how its database is asked."""

    @property
    def url(self) -> str: ...

    def sql(self, statement: str) -> str:
        """The administrator's answer."""


@dataclass(frozen=True)
class Figures:
    """What users saw of a fault."""

    sent: int
    failed: int
    reasons: dict[str, int]
    silence: float
    """seconds: the longest time without a good answer for anybody"""
    acknowledged: int
    lost: int
    """acknowledged and not stored"""
    failed_but_stored: int


@dataclass
class Load:
    """Users of the demo, until the end."""

    stack: Site
    host: str = ""
    """the name that users ask for, where it is not in the address"""
    name: str = field(default_factory=lambda: f"drill-{uuid.uuid4().hex[:8]}")
    good: list[float] = field(default_factory=list)
    """moments of good answers"""
    failures: list[str] = field(default_factory=list)
    acknowledged: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def user(self, number: int, requests_: int | None = None) -> None:
        """One user's requests: three reads, then a write."""
        with requests.Session() as session:
            session.trust_env = False
            session.headers.update({"Host": self.host} if self.host else {})
            count = 0
            while not self.over.is_set() and (requests_ is None or count < requests_):
                if count % 4 == number % 4:
                    self._write(session, f"{self.name}-{number}-{count}", number)
                else:
                    self._read(session)
                count += 1
                self.over.wait(PAUSE_SECONDS)

    def _read(self, session: requests.Session) -> None:
        self._count(lambda: session.get(f"{self.stack.url}/db", timeout=PATIENCE_SECONDS), {200})

    def _write(self, session: requests.Session, key: str, number: int) -> None:
        order = json.dumps({"source": 1 + number % 8, "target": 1 + (number + 1) % 8, "amount": 1})
        headers = {"Idempotency-Key": key, "Content-Type": "application/json"}
        place = f"{self.stack.url}/ledger/transfers"
        status = self._count(
            lambda: session.post(place, data=order, headers=headers, timeout=PATIENCE_SECONDS),
            {APPLIED, REFUSED},
        )
        if status == APPLIED:
            self.acknowledged.append(key)
        elif status != REFUSED:
            self.unknown.append(key)

    def _count(self, ask: Callable[[], requests.Response], expected: set[int]) -> int:
        """The answer's status when it is a whole, expected one, else 0."""
        try:
            answer = ask()
            if answer.status_code not in expected:
                self.failures.append(f"status {answer.status_code}")
                return 0
            answer.json()
        except (requests.RequestException, ValueError) as error:
            self.failures.append(type(error).__name__)
            return 0
        self.good.append(time.monotonic())
        return answer.status_code

    def figures(self, began: float) -> Figures:
        """What came of it since `began`, on the monotonic clock; asks the database what it has."""
        stored = set(
            self.stack.sql(
                f"SELECT key FROM ledger_transfer WHERE key LIKE '{self.name}-%'"
            ).split()
        )
        moments = [began, *sorted(moment for moment in self.good if moment > began)]
        return Figures(
            sent=len(self.good) + len(self.failures),
            failed=len(self.failures),
            reasons=dict(Counter(self.failures)),
            silence=max((later - earlier for earlier, later in pairwise(moments)), default=0.0),
            acknowledged=len(self.acknowledged),
            lost=len(set(self.acknowledged) - stored),
            failed_but_stored=len(set(self.unknown) & stored),
        )


Users = TypeVar("Users", bound=Load)


@contextmanager
def users(
    stack: Site, count: int = USERS, requests_: int | None = None, host: str = ""
) -> Iterator[Load]:
    """So many users meanwhile, or until each has made `requests_` requests."""
    with meanwhile(Load(stack, host), count, requests_) as load:
        yield load


@contextmanager
def meanwhile(load: Users, count: int = USERS, requests_: int | None = None) -> Iterator[Users]:
    """The same, of such users."""
    threads = [
        threading.Thread(target=load.user, args=(number, requests_), daemon=True)
        for number in range(count)
    ]
    for thread in threads:
        thread.start()
    try:
        yield load
        if requests_ is not None:
            for thread in threads:
                thread.join(PATIENCE_SECONDS)
    finally:
        load.over.set()
        for thread in threads:
            thread.join(PATIENCE_SECONDS)
