"""Reads from the standbys of a cluster: the alias `replica` (docs/replicas.md)."""

from __future__ import annotations

from pgstack.planning.replicas import Replicas
from pgstack.planning.sizing import pooler, timeouts
from pgstack.planning.sizing.basis import Basis, Reasons

DATABASE = "app_replica"
READ_ONLY = {"default_transaction_read_only": "on"}
"""also where it leads to the primary: what would fail tomorrow fails today"""
LAG_SECONDS = 3.0
"""answers of a busy host are late by a second: a standby that is this far behind waits for
something"""
PINNED_SECONDS = 10
"""longer than it takes from a write until reads lead to a member that has it (cluster_order)"""


def replicas(basis: Basis) -> tuple[Replicas | None, Reasons]:
    """The pool of reads, as large as that of pages: each of their threads may read. None unless it
    was asked for."""
    if basis.config.replicas != "read":
        return None, {}
    pool = pooler.pool_size(basis)
    planned = Replicas(
        database=DATABASE,
        pool_size=pool,
        sizes={pooler.reserve_word(basis): "0"},
        settings=timeouts.of_backends(timeouts.PAGE, basis.config.request_timeout, basis.postgresql)
        | READ_ONLY,
        lag=LAG_SECONDS,
        pinned=PINNED_SECONDS,
    )
    return planned, {
        "replicas.pool_size": f"{pool} of the pages",
        "replicas.lag": f"{LAG_SECONDS:g} s: further behind, a standby is not read from",
        "replicas.pinned": f"{PINNED_SECONDS} s: a write is where reads lead before that",
    }


def standby_settings(basis: Basis) -> dict[str, str]:
    """Lines of PostgreSQL's drop-in on a member that is read from: it waits for a query that is in
    the way of what it replays no longer than it may be behind, and has the primary keep rows that
    its queries see."""
    if basis.config.replicas != "read":
        return {}
    wait = f"{1000 * LAG_SECONDS:g}ms"
    return {
        "hot_standby_feedback": "on",
        "max_standby_streaming_delay": wait,
        "max_standby_archive_delay": wait,
    }
