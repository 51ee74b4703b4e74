"""One change to the stack each: what SUITE=tuning compares with the stack as it is.

What made it faster has become the stack, and its entry here takes it away again; docs/results.md
has the figures.
"""

from __future__ import annotations

import gc
import sys
import threading
import time

from loadtest.lab import timing
from loadtest.lab.change import (
    JEMALLOC,
    UNCACHED,
    Change,
    after_preload,
    gc_as_python,
    gzip_first,
    jemalloc_missing,
    pool,
    sized,
)
from loadtest.lab.web import SERVERS

REQUEST_LOG = r"( *CustomLog .*\n)+"
NO_SYMLINKS = r'<Directory "/">\n    AllowOverride None\n    Options None'
SYMLINKS = '<Directory "/">\n    AllowOverride None\n    Options FollowSymLinks'
ALIAS = r"(?<=ServerAlias 127\.0\.0\.1\n)"
NO_SUBREQUESTS = """    RewriteEngine On
    RewriteCond %{IS_SUBREQ} =true
    RewriteRule ^ - [F]
"""


def collect_each_second() -> None:
    """Python's collector looks at all objects that requests have made, once a second."""

    def collect() -> None:
        while True:
            time.sleep(1)
            gc.collect()

    threading.Thread(target=collect, daemon=True).start()


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
    Change(
        "no-path-translated",
        "Apache does not look up where the path would lead on disk",
        (("site.conf", ALIAS, NO_SUBREQUESTS),),
    ),
    Change(
        "no-drain-mark",
        "Apache does not look whether it is to close connections",
        (("apache2.conf", r"SetEnvIfExpr \"-f .*\n", "\n"),),
    ),
    Change(
        "no-redirects",
        "Apache does not look whether a file is one that is not served",
        (("site.conf", r"( *RedirectMatch .*\n)+", "\n"),),
    ),
    Change(
        "no-headers",
        "no headers of every answer",
        (("hardening.conf", r"\n *Header .*", "\n"),),
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
        "gc-each-second",
        "it looks at all objects once a second",
        patch=after_preload(collect_each_second),
    ),
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
        settings=lambda _: {"MIDDLEWARE": []},
    ),
    Change("gzip-first", "compression before all other middleware", settings=gzip_first),
    Change(
        "no-template-cache",
        "templates compiled for each request",
        settings=lambda _: {"TEMPLATES": UNCACHED},
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
    Change(
        "no-statements",
        "neither pg_stat_statements nor auto_explain",
        postgres={"shared_preload_libraries": ""},
    ),
    Change("no-autovacuum", "no autovacuum", postgres={"autovacuum": "off"}),
    Change("async-commit", "synchronous_commit off", postgres={"synchronous_commit": "off"}),
)
CHANGES = {
    change.name: change
    for change in (Change("as-planned", "the stack as it is"), *WEB, *PYTHON, *DATABASE)
}
