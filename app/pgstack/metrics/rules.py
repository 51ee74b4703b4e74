"""The rules of observability/alerts.yml that need no Prometheus, over the last minutes that the
exporter has seen. Names, thresholds, times and severities are those of that file
(tests/contract/test_alerts.py)."""

from __future__ import annotations

from collections.abc import Callable

from pgstack.metrics import ages, apache, cluster_rules, facts, planned, pooler, postgres, web
from pgstack.metrics.model import Metric
from pgstack.metrics.rule import Judged, Rule, Seen, down

DAY = 86400.0
MINUTE = 60.0
ERRORS, ERROR_SHARE, ERRORS_WITHIN = 10, 0.02, 5 * MINUTE
QUEUE_SHARE, RATES_WITHIN = 4, MINUTE
WORKER_SHARE = 0.8
CLIENT_SHARE = 0.9
IDLE_TIMES = 2
VERIFY_DAYS = 2
DISK_SHARE = 0.15
"""of a disk that should stay free, as in DiskFills: the rule itself needs the node exporter"""
XIDS_PAGE, XIDS_TICKET = 1e9, 5e8
LOOKED_BACK: tuple[Metric, ...] = (
    apache.BUSY,
    *(postgres.COLUMNS["archiver"][name] for name in ("last_failed", "last_archived")),
    postgres.COLUMNS["server"]["xid_age"],
)
"""metrics whose last value within LOOKED_BACK_SECONDS still counts: a server that misses one scrape
does not start an alert's wait again"""
LOOKED_BACK_SECONDS = 5 * MINUTE
KEPT: tuple[Metric, ...] = (web.RESPONSES, web.QUEUE, pooler.WAITED, *LOOKED_BACK)
"""metrics whose past is needed"""


def _errors(seen: Seen) -> Judged:
    between = seen.within(ERRORS_WITHIN, web.RESPONSES)
    if between is None:
        return None
    bad, all_ = between.rise(web.RESPONSES, **{"class": "5xx"}), between.rise(web.RESPONSES)
    return None if bad is None or all_ is None else (bad, max(ERRORS, ERROR_SHARE * all_))


def queued(seen: Seen) -> float | None:
    """95th percentile of the last minute's waits for a thread, in seconds."""
    between = seen.within(RATES_WITHIN, web.QUEUE)
    return between.quantile(web.QUEUE, 0.95) if between else None


def _queue(seen: Seen) -> Judged:
    waited, timeout = queued(seen), seen.now.value(planned.QUEUE)
    return None if waited is None or timeout is None else (waited, timeout / QUEUE_SHARE)


def _pool_waits(seen: Seen) -> Judged:
    between = seen.within(RATES_WITHIN, pooler.WAITED)
    threads = seen.now.total(planned.THREADS)
    waited, pool = between and between.rise(pooler.WAITED), seen.now.largest(planned.POOL)
    known = waited is not None and threads is not None and pool is not None
    return (waited / RATES_WITHIN, (threads - pool) / 2) if known else None  # type: ignore[operator]


def _locks(seen: Seen) -> Judged:
    waiters, pool = seen.now.value(postgres.WAITERS), seen.now.largest(planned.POOL)
    return None if waiters is None or pool is None else (waiters, pool / 2)


def _over(metric: Metric, share: float, limit: Metric) -> Callable[[Seen], Judged]:
    def judge(seen: Seen) -> Judged:
        value, planned_ = seen.now.total(metric), seen.now.value(limit)
        return None if value is None or planned_ is None else (value, share * planned_)

    return judge


def _connections(seen: Seen) -> Judged:
    columns = postgres.COLUMNS["server"]
    there, most = seen.now.total(postgres.BACKENDS), seen.now.value(columns["max_connections"])
    reserved = seen.now.value(planned.RESERVED)
    known = there is not None and most is not None and reserved is not None
    # With the exporter's own, which it does not count; from this number on, which `more than` is
    # not.
    return (there + 1, most - reserved - 1.5) if known else None  # type: ignore[operator]


def _archive(seen: Seen) -> Judged:
    columns = postgres.COLUMNS["archiver"]
    failed = seen.now.value(columns["last_failed"])
    return None if failed is None else (failed, seen.now.value(columns["last_archived"]) or 0)


def _column(question: str, column: str, most: float) -> Callable[[Seen], Judged]:
    def judge(seen: Seen) -> Judged:
        value = seen.now.value(postgres.COLUMNS[question][column])
        return None if value is None else (value, most)

    return judge


def _ends(days: float) -> Callable[[Seen], Judged]:
    def judge(seen: Seen) -> Judged:
        end = seen.now.value(ages.CERTIFICATE)
        # Less than so many days left is more than that many gone.
        return None if end is None else (seen.now.time - end, -days * DAY)

    return judge


def _backup(seen: Seen) -> Judged:
    made, oldest = seen.now.value(ages.BACKUP), seen.now.value(planned.BACKUP)
    return None if made is None or oldest is None else (seen.now.time - made, oldest)


def _late(
    passed: Metric, moment: Metric, oldest: Callable[[Seen], float | None]
) -> Callable[[Seen], Judged]:
    """Of what has failed, or was last done longer ago than `oldest` seconds."""

    def judge(seen: Seen) -> Judged:
        done, most = seen.now.value(moment), oldest(seen)
        if seen.now.value(passed) == 0:
            return 1, 0
        return None if done is None or most is None else (seen.now.time - done, most)

    return judge


RULES = (
    *cluster_rules.RULES,
    Rule("PostgreSQLDown", "page", 30, "PostgreSQL does not answer.", 5, down("postgresql")),
    Rule("PgBouncerDown", "page", 60, "PgBouncer does not answer.", 4, down("pgbouncer")),
    Rule(
        "LocksBlock",
        "page",
        60,
        "{:.0f} sessions wait for a lock, more than half of the pool.",
        5,
        _locks,
    ),
    Rule(
        "PoolWaits",
        "page",
        120,
        "{:.1f} requests at a time wait for a backend.",
        3,
        _pool_waits,
    ),
    Rule(
        "RequestsQueue",
        "page",
        60,
        "One request in twenty waits {:.1f} s for a free thread.",
        3,
        _queue,
    ),
    Rule(
        "WorkersTaken",
        "page",
        60,
        "{:.0f} of Apache's workers are taken, more than four in five: slow clients, or requests "
        "that wait.",
        4,
        _over(apache.BUSY, WORKER_SHARE, planned.WORKERS),
    ),
    Rule(
        "ServerErrors",
        "page",
        30,
        "{:.0f} answers of the last 5 minutes were server errors, more than 2 %.",
        2,
        _errors,
    ),
    Rule("SiteDown", "page", 60, "The site does not answer /readyz.", 2, down("site")),
    Rule("ArchiveFails", "page", 300, "WAL is not archived.", 8, _archive),
    Rule(
        "ChecksumFails",
        "page",
        0,
        "{:.0f} pages of the database have a wrong checksum.",
        8,
        _column("server", "checksum_failures", 0),
    ),
    Rule("CertificateEnds", "page", 60, "The certificate ends within 7 days.", 8, _ends(7)),
    Rule(
        "CertificateEndsSoon", "ticket", 3600, "The certificate ends within 21 days.", 8, _ends(21)
    ),
    Rule("BackupLate", "ticket", 900, "The last good backup is older than planned.", 8, _backup),
    Rule(
        "DrillLate",
        "ticket",
        900,
        "No restore has been rehearsed in time, or the last rehearsal failed.",
        8,
        _late(facts.DRILL_PASSED, facts.DRILL, lambda seen: seen.now.value(planned.DRILL)),
    ),
    Rule(
        "VerifyFails",
        "ticket",
        900,
        "What runs is not what was planned, or has not been compared with it for two days.",
        8,
        _late(facts.VERIFY_PASSED, facts.VERIFY, lambda _: VERIFY_DAYS * DAY),
    ),
    Rule(
        "TransactionIdsRunOut",
        "page",
        300,
        "Vacuum does not keep up: {:.0f} transactions since the oldest frozen row.",
        5,
        _column("server", "xid_age", XIDS_PAGE),
    ),
    Rule(
        "TransactionIdsAge",
        "ticket",
        3600,
        "{:.0f} transactions since the oldest frozen row.",
        5,
        _column("server", "xid_age", XIDS_TICKET),
    ),
    Rule(
        "IdleInTransaction",
        "ticket",
        60,
        "A session has been idle in a transaction for {:.0f} s, longer than planned.",
        5,
        _over(postgres.IDLE, IDLE_TIMES, planned.IDLE),
    ),
    Rule(
        "ConnectionsRunOut",
        "ticket",
        120,
        "{:.0f} connections: PostgreSQL takes at most one more.",
        5,
        _connections,
    ),
    Rule(
        "PoolerClientsRunOut",
        "ticket",
        120,
        "{:.0f} clients of PgBouncer, nine in ten of what it takes.",
        4,
        _over(pooler.CLIENTS, CLIENT_SHARE, planned.CLIENTS),
    ),
)
"""causes before consequences: the verdict is the first one that holds"""
