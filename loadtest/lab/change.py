"""What one change to the stack is, and what several of them need."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from loadtest.lab import apache, services
from loadtest.lab.apache import Edit
from loadtest.lab.model import REFERENCE
from loadtest.lab.server import Driver, Service, Strategy, as_they_are, nothing_missing
from loadtest.lab.strategies import STRATEGIES
from loadtest.lab.web import DAEMON, WebServer
from pgstack.planning.plan import Plan

GZIP = "django.middleware.gzip.GZipMiddleware"
LOADERS = ["django.template.loaders.app_directories.Loader"]
UNCACHED = [
    {"BACKEND": "django.template.backends.django.DjangoTemplates", "OPTIONS": {"loaders": LOADERS}}
]
JEMALLOC = "/usr/lib/x86_64-linux-gnu/libjemalloc.so.2"


@dataclass(frozen=True)
class Change:
    """What is different from the stack; empty fields are as planned."""

    name: str
    meaning: str
    web: tuple[Edit, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    """of Apache, and so of the daemons"""
    pooler: Mapping[str, str] = field(default_factory=dict)
    postgres: Mapping[str, str] = field(default_factory=dict)
    database: Mapping[str, Any] = field(default_factory=dict)
    """of Django's alias `default`"""
    settings: Callable[[Mapping[str, Any]], Mapping[str, Any]] = as_they_are
    """Django's → those of them that differ"""
    patch: Callable[[], None] = lambda: None
    driver: Driver = "psycopg2"
    missing: Callable[[Plan], str | None] = nothing_missing
    transactions: int = 0
    """that each request makes besides those of its page"""
    logged: bool = True
    """whether the access log has each request as soon as it is answered"""
    instead: WebServer | None = None
    """another web server"""

    @property
    def strategy(self) -> Strategy:
        """The reference with this change; its name is the change's, so that the web processes find
        it."""
        reference = STRATEGIES[REFERENCE]
        chain: tuple[Service, ...] = (
            services.postgres_with(**self.postgres),
            services.pgbouncer("transaction", **self.pooler),
        )
        return replace(
            reference,
            name=self.name,
            meaning=self.meaning,
            services=chain,
            settings=self.settings,
            patch=self.patch,
            database=lambda plan: reference.database(plan) | dict(self.database),
            missing=self.missing,
            driver=self.driver,
            transactions=self.transactions,
        )

    @property
    def server(self) -> WebServer:
        """The stack's web server with this change."""
        if self.instead:
            return self.instead
        service = apache.changed(*self.web, environment=self.environment)
        return replace(
            DAEMON, services=(service,), access_log=DAEMON.access_log if self.logged else None
        )


def sized(processes: int, threads: int) -> Change:
    """Another number of daemon processes and threads."""
    edit = ("site.conf", r"processes=\d+ threads=\d+", f"processes={processes} threads={threads}")
    return Change(
        f"daemons-{processes}x{threads}",
        f"{processes} daemon processes of {threads} threads",
        (edit,),
    )


def after_preload(*actions: Callable[[], None]) -> Callable[[], None]:
    """A patch that runs `actions` before the first request: the application is loaded by then."""

    def patch() -> None:
        from django.core.signals import request_started

        def once(**_: Any) -> None:
            request_started.disconnect(once)
            for action in actions:
                action()

        request_started.connect(once)

    return patch


def gc_as_python() -> None:
    """The collector as Python sets it up."""
    gc.unfreeze()
    gc.set_threshold(700)


def gzip_first(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """Compression moved before all other middleware."""
    return {"MIDDLEWARE": [GZIP, *(name for name in settings["MIDDLEWARE"] if name != GZIP)]}


def jemalloc_missing(plan: Plan) -> str | None:
    """jemalloc is a package of its own."""
    return (
        None if Path(JEMALLOC).exists() else "not installed; as root: apt-get install libjemalloc2"
    )


def pool(size: int) -> Change:
    """Another number of backends, and what follows from it."""
    settings = {
        "default_pool_size": size,
        "min_pool_size": min(size, 4),
        "max_db_connections": size + 2,
    }
    texts = {name: str(value) for name, value in settings.items()}
    return Change(f"pool-{size}", f"{size} backends", pooler=texts)
