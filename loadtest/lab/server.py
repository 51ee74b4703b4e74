"""What a strategy is made of: servers that run beside each other, and a way for Django to reach
them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGTERM, Signals
from typing import Any, Literal

from pgstack.planning.plan import Plan

Component = Literal["web", "python", "pooler", "database", "cache"]
Driver = Literal["psycopg2", "psycopg", "mysql"]


@dataclass(frozen=True)
class LabStack:
    """Where the lab keeps its files, and the plan of its stack. `requests` are worked on at a
    time."""

    directory: Path
    plan: Plan
    headers: tuple[str, ...] = ()
    """of each request to it: a session's cookie"""

    @property
    def requests(self) -> int:
        """Requests that the web processes work on at a time."""
        return self.plan.web.requests

    def write(self, name: str, text: str) -> Path:
        """A file for the servers, closed to other accounts."""
        path = self.folder() / name
        path.touch(mode=0o600)
        path.write_text(text)
        return path

    def folder(self, name: str = "") -> Path:
        """A directory for the servers, closed to other accounts."""
        path = self.directory / "lab" / name
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return path

    def empty(self, name: str) -> Path:
        """The same, without what an earlier server left in it."""
        shutil.rmtree(self.directory / "lab" / name, ignore_errors=True)
        return self.folder(name)


@dataclass(frozen=True)
class Server:
    """One program to start, and how to tell that it answers."""

    name: str
    component: Component
    command: tuple[str, ...]
    answers: Callable[[], bool]
    stop: Signals = SIGTERM
    environment: Mapping[str, str] = field(default_factory=dict)


Service = Callable[[LabStack], Server]
"""Writes what a server needs and says how to start it."""


def nothing_missing(plan: Plan) -> str | None:
    """For what runs wherever the stack runs."""
    return None


def as_they_are(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """For what changes none of Django's settings."""
    return {}


@dataclass(frozen=True)
class Strategy:
    """One way to reach the database."""

    name: str
    meaning: str
    database: Callable[[Plan], dict[str, Any]]
    """the alias `default` of Django's DATABASES"""
    services: tuple[Service, ...]
    """from the database outwards"""
    connections: Literal["reconnects", "keeps", "none"]
    """what the database must see: a new connection for each request, or the same ones again and
    again"""
    prepared: bool = False
    """whether a backend parses a statement once and not for each request"""
    driver: Driver = "psycopg2"
    page: str | None = None
    """asked for instead of the run's page"""
    transactions: int = 0
    """that each request makes besides those of its page"""
    settings: Callable[[Mapping[str, Any]], Mapping[str, Any]] = as_they_are
    """the stack's Django settings → those that this one replaces"""
    patch: Callable[[], None] = lambda: None
    """run once by each web process after its settings are read"""
    missing: Callable[[Plan], str | None] = nothing_missing
    """why it cannot run here, with the remedy; None when it can"""
