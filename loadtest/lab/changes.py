"""One change to the stack each: what SUITE=tuning compares with the stack as it is.

What made it faster has become the stack, and its entry here takes it away again; docs/results.md
has the figures.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from loadtest.lab import apache, services, timing
from loadtest.lab.apache import Edit
from loadtest.lab.model import REFERENCE
from loadtest.lab.server import Driver, Service, Strategy, as_they_are, nothing_missing
from loadtest.lab.strategies import STRATEGIES
from loadtest.lab.web import DAEMON, SERVERS, WebServer
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


def gzip_first(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """Compression moved before all other middleware."""
    return {"MIDDLEWARE": [GZIP, *(name for name in found["MIDDLEWARE"] if name != GZIP)]}


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


REQUEST_LOG = r"CustomLog .*\n"
NO_SYMLINKS = r'<Directory "/">\n    AllowOverride None\n    Options None'
SYMLINKS = '<Directory "/">\n    AllowOverride None\n    Options FollowSymLinks'

WEB = (
    *(
        sized(*shape)
        for shape in (
            (1, 1),
            (1, 2),
            (1, 4),
            (1, 8),
            (2, 1),
            (2, 2),
            (2, 4),
            (2, 8),
            (4, 1),
            (4, 2),
        )
    ),
    Change(
        "embedded", "Python inside of Apache's own processes", instead=SERVERS["mod_wsgi-embedded"]
    ),
    Change(
        "no-queue-timeout",
        "no `200 Continue` of the daemon to Apache",
        (("site.conf", r" queue-timeout=\d+", ""),),
    ),
    Change(
        "pthread-mutex",
        "daemons take turns by a mutex in memory",
        (
            (
                "site.conf",
                "WSGIRestrictEmbedded On\n",
                "WSGIRestrictEmbedded On\nWSGIAcceptMutex pthread\n",
            ),
        ),
    ),
    Change(
        "follow-symlinks",
        "Apache does not look for links on the way to wsgi.py",
        (("hardening.conf", NO_SYMLINKS, SYMLINKS),),
    ),
    Change("no-access-log", "no access log", (("site.conf", REQUEST_LOG, "\n"),), logged=False),
    Change(
        "buffered-log",
        "the access log is written in blocks",
        (("apache2.conf", "LogLevel warn\n", "LogLevel warn\nBufferedLogs On\n"),),
        logged=False,
    ),
    Change(
        "no-reqtimeout",
        "slow clients are not cut off",
        (("hardening.conf", r"RequestReadTimeout .*\n", "\n"),),
    ),
    Change(
        "small-children",
        "children of 32 workers, which close kept connections when they are full",
        tuple(
            ("mpm.conf", rf"{name} \d+", f"{name} {value}")
            for name, value in {
                "StartServers": 2,
                "ServerLimit": 16,
                "ThreadLimit": 32,
                "ThreadsPerChild": 32,
                "MinSpareThreads": 32,
                "MaxRequestWorkers": 512,
            }.items()
        ),
    ),
    Change(
        "no-body-hook",
        "bodies go to the daemons as they come in",
        (("apache2.conf", r'Include ".*/bodies.conf"\n', "\n"),),
    ),
    Change(
        "no-keep-alive",
        "a connection of the browser for each request",
        (("mpm.conf", "KeepAlive On", "KeepAlive Off"),),
    ),
)
PYTHON = (
    Change(
        "gc-as-python",
        "it looks at all objects, after 700 new ones",
        patch=after_preload(gc_as_python),
    ),
    Change(
        "gc-700",
        "it starts after 700 new objects",
        patch=after_preload(lambda: gc.set_threshold(700)),
    ),
    Change(
        "gc-10000",
        "it starts after 10,000 new objects",
        patch=after_preload(lambda: gc.set_threshold(10_000)),
    ),
    Change("gc-off", "no collector at all", patch=after_preload(gc.disable)),
    Change(
        "switch-50ms",
        "threads take turns each 50 ms instead of 5",
        patch=lambda: sys.setswitchinterval(0.05),
    ),
    Change(
        "jemalloc",
        "memory from jemalloc",
        environment={"LD_PRELOAD": JEMALLOC},
        missing=jemalloc_missing,
    ),
    Change("malloc-arena", "one arena for all threads", environment={"MALLOC_ARENA_MAX": "1"}),
    Change(
        "no-middleware",
        "no middleware: what all of it costs",
        settings=lambda found: {"MIDDLEWARE": []},
    ),
    Change("gzip-first", "compression before all other middleware", settings=gzip_first),
    Change(
        "no-template-cache",
        "templates compiled for each request",
        settings=lambda found: {"TEMPLATES": UNCACHED},
    ),
    Change("psycopg3", "psycopg 3 in place of psycopg2", driver="psycopg"),
    Change(
        "health-checks",
        "CONN_HEALTH_CHECKS: SELECT 1 before each request",
        database={"CONN_HEALTH_CHECKS": True},
        transactions=1,
    ),
    Change(
        "stock-backend",
        "Django's own database backend in place of pgstack.db",
        database={"ENGINE": "django.db.backends.postgresql"},
    ),
    Change(
        "guard-off",
        "nobody looks for statements that do not suit a pooler",
        database={"GUARD": "off"},
    ),
    Change(
        "timed",
        "the application's part of each request is timed, as anatomy.py does",
        patch=timing.patch,
    ),
    Change(
        "atomic-requests",
        "ATOMIC_REQUESTS: a transaction for each request",
        database={"ATOMIC_REQUESTS": True},
    ),
)
DATABASE = (
    *map(pool, (1, 2, 4, 8)),
    Change(
        "no-query-timeout",
        "PgBouncer does not time queries",
        pooler={"query_timeout": "0", "idle_transaction_timeout": "0"},
    ),
    Change("pkt-buf-16k", "PgBouncer's buffers of 16 kB", pooler={"pkt_buf": "16384"}),
    Change("round-robin", "PgBouncer takes backends in turn", pooler={"server_round_robin": "1"}),
    Change(
        "no-client-check",
        "PostgreSQL does not look whether a client has gone",
        postgres={"client_connection_check_interval": "0"},
    ),
    Change("no-io-timing", "reads are not timed", postgres={"track_io_timing": "off"}),
    Change(
        "no-activities", "pg_stat_activity shows no statement", postgres={"track_activities": "off"}
    ),
    Change(
        "no-slow-log",
        "slow statements are not logged",
        postgres={"log_min_duration_statement": "-1"},
    ),
    Change("async-commit", "synchronous_commit off", postgres={"synchronous_commit": "off"}),
)
CHANGES = {
    change.name: change
    for change in (Change("as-planned", "the stack as it is"), *WEB, *PYTHON, *DATABASE)
}
