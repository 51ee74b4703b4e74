"""The pools as the front page shows them: read at most once a second in each process."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import asdict, dataclass, field
from typing import Any

from demo.queue import Queue, counted
from pgstack.live.probes import pooler
from pgstack.planning.state import current_plan

logger = logging.getLogger(__name__)

MAX_AGE = 1.0
"""Seconds. However many people look, the console answers once in this time per process."""

NOTICED = 0.1
"""Seconds that somebody who waits notices."""

ALARMING = 0.25
"""Part of the longest wait for a thread from which on the badge is red, as the alert is."""


@dataclass(frozen=True)
class Pool:
    """One row of SHOW POOLS, in the words of the page; `max_wait` in seconds."""

    database: str
    login: str
    mode: str
    clients_active: int
    clients_waiting: int
    servers_active: int
    servers_idle: int
    max_wait: float


@dataclass(frozen=True)
class Badge:
    """The verdict in a few words; `kind` is good, warn or bad."""

    text: str
    kind: str


SILENT = Badge("PgBouncer's console does not answer", "warn")


@dataclass(frozen=True)
class LivePools:
    """What the console said; `available` is false when it said nothing."""

    available: bool
    pools: list[Pool] = field(default_factory=list)
    badge: Badge = SILENT

    def as_json(self) -> dict[str, Any]:
        """For the script of the front page."""
        return asdict(self)


class _Cache:
    """The last answer. One thread renews it; the others take what there is meanwhile."""

    def __init__(self) -> None:
        self.value = LivePools(available=False)
        self.until = 0.0
        self.renewing = threading.Lock()
        self.queue = Queue()

    def get(self) -> LivePools:
        if time.monotonic() < self.until or not self.renewing.acquire(blocking=self.until == 0.0):
            return self.value
        try:
            if (
                time.monotonic() >= self.until
            ):  # somebody else may have renewed it while this one waited
                self.value = _read(self.queue)
                self.until = time.monotonic() + MAX_AGE
        finally:
            self.renewing.release()
        return self.value


_cache = _Cache()


def live_pools() -> LivePools:
    """The state of the application's pools, at most `MAX_AGE` old. Never raises."""
    return _cache.get()


def badge(pools: list[Pool], queued: float | None, patience: float) -> Badge:
    """Whether users wait: `queued` seconds on the mean for a thread, of at most `patience`, or for
    a backend."""
    waits = max((pool.max_wait for pool in pools), default=0.0)
    if queued is not None and queued >= NOTICED:
        kind = "bad" if queued >= patience * ALARMING else "warn"
        return Badge(f"Requests wait {queued:.1f} s for a free thread", kind)
    if waits >= NOTICED:
        return Badge(f"A request has waited {waits:.1f} s for a backend", "warn")
    return Badge("PgBouncer answers, nobody waits", "good")


def _read(queue: Queue) -> LivePools:
    try:
        rows = pooler.pools()
    except Exception as error:  # noqa: BLE001 - whatever ails the console, the page goes on
        logger.warning("PgBouncer's console does not answer: %s", error)
        return LivePools(available=False)
    now = counted()
    queued = queue.wait(now) if now else None
    pools = [_pool(row) for row in rows if row.database != "pgbouncer"]  # the console's own entry
    return LivePools(True, pools, badge(pools, queued, current_plan().web.queue_timeout))


def _pool(row: pooler.Pool) -> Pool:
    return Pool(
        database=row.database,
        login=row.user,
        mode=row.pool_mode,
        clients_active=row.cl_active,
        clients_waiting=row.cl_waiting,
        servers_active=row.sv_active,
        servers_idle=row.sv_idle,
        max_wait=row.maxwait + row.maxwait_us / 1e6,
    )
