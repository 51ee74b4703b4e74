"""The stack that incidents happen to, and what an incident is."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import requests

from fixtures.local_stack import LocalStack, owner
from pgstack.planning.plan import Plan

PAGES = """
from django.db import connection

def slow(request):
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(0.5)")
    return HttpResponse("slept")

def broken(request):
    raise KeyError("the reason")

urlpatterns += [path("slow", slow), path("broken", broken)]
"""
"""to be added to the demo's addresses"""
SESSIONS = count()
SLEEP = "SELECT pg_sleep(3600)"
"""for a session that is not to be idle"""


@dataclass(frozen=True)
class Scene:
    """A stack with these pages and a pool of two, a directory for certificates, one that is a
    small disk of its own, and the plan of a host whose exporter runs too."""

    stack: LocalStack
    certificates: Path
    disk: Path
    host: Plan

    @property
    def plan(self) -> Plan:
        return Plan.model_validate_json((self.stack.directory / "conf/plan.json").read_text())

    @contextmanager
    def session(self, *statements: str) -> Iterator[None]:
        """Of the administrator, who sends these and stays."""
        name = f"drill-{next(SESSIONS)}"
        place = self.stack.directory / "run/postgres"
        target = f"host={place} user=postgres dbname=app application_name={name}"
        command = owner(self.stack.directory, ["psql", "-Xq", "-d", target])
        end = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            f" WHERE application_name = '{name}'"
        )
        with subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,  # it says that it was ended
            text=True,
            cwd="/",
        ) as psql:
            assert psql.stdin
            psql.stdin.write("".join(f"{statement};\n" for statement in statements))
            psql.stdin.flush()
            try:
                yield
            finally:
                self.stack.sql(end)
                psql.terminate()

    def ask(self, page: str) -> int:
        """Status; 0 where nobody answers."""
        with suppress(requests.RequestException):
            return requests.get(f"{self.stack.url}/{page}", timeout=60, verify=False).status_code
        return 0

    @contextmanager
    def crowd(self, page: str, visitors: int, pause: float = 0) -> Iterator[None]:
        """Visitors at a time, each with the next request so many seconds after an answer."""

        def visit(over: threading.Event) -> None:
            while not over.wait(pause):
                self.ask(page)

        with until_over([visit] * visitors):
            yield


@contextmanager
def until_over(works: Sequence[Callable[[threading.Event], None]]) -> Iterator[None]:
    """Each in a thread, which ends when the event that it is given happens."""
    over = threading.Event()
    threads = [threading.Thread(target=work, args=(over,)) for work in works]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


@dataclass(frozen=True)
class Incident:
    """The words are those of the table in docs/alerts.md."""

    words: str
    alerts: frozenset[str]
    provoke: Callable[[Scene], AbstractContextManager[None]]
    longest: int
    """seconds until they fire"""


def incident(
    words: str, *alerts: str, longest: int = 480
) -> Callable[[Callable[[Scene], Iterator[None]]], Incident]:
    """Of a generator that does it, and undoes it after its `yield`."""

    def make(function: Callable[[Scene], Iterator[None]]) -> Incident:
        return Incident(words, frozenset(alerts), contextmanager(function), longest)

    return make
