"""How requests are led away from a server before it changes, and how long each step may take.
Without packages: the tools of Compose use it, too."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pgstack.planning.plan import Plan

SETTLE_SECONDS = 2
"""while those that waited are answered, all workers of Apache are busy"""
READY = "/readyz"
"""a page with a query"""
PAGES = ("/healthz", READY, "/")
"""what new code is asked for before others may ask it; no answer may be a server's error"""


def mark(plan: Plan, instance: str = "") -> Path:
    """File that makes an instance of Apache, or the only one, close each connection after its
    answer (apache2.conf)."""
    return Path(plan.paths.drain[instance])


def grace(plan: Plan) -> int:
    """Seconds after which no kept-alive connection is open any more, once Apache closes each one
    after its answer."""
    return plan.apache.keep_alive_timeout + 1


def patience(plan: Plan) -> float:
    """Seconds for one step while requests are held back: half of what they may wait for a
    backend."""
    return plan.pooler.query_wait_timeout / 2


def resumes(plan: Plan) -> tuple[str, ...]:
    """Commands of PgBouncer's console that let requests go on, whether all were held back or those
    of the database: the one does not end the other."""
    return "RESUME", f"RESUME {plan.postgres.database}"
