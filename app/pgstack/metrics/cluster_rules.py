"""Rules of a cluster, and of balancers (pgstack.metrics.rules)."""

from __future__ import annotations

from pgstack.metrics import balancer, cluster, planned
from pgstack.metrics.model import Metric
from pgstack.metrics.rule import Judged, Rule, Seen, down

PANEL = 5
"""of the page: what is known of PostgreSQL"""


def _none(seen: Seen, metric: Metric) -> Judged:
    """Of what one member has to be."""
    there = seen.now.total(metric)
    return None if there is None else (1 - there, 0)


def _no_leader(seen: Seen) -> Judged:
    return _none(seen, cluster.LEADS)


def _several(seen: Seen) -> Judged:
    leading = seen.now.total(cluster.LEADS)
    return None if leading is None else (leading, 1)


def _astray(seen: Seen) -> Judged:
    if not seen.now.total(cluster.LEADS) or not seen.now.has(cluster.LED):
        return None
    there = sum(
        (seen.now.value(cluster.LED, *labels) or 0) * (seen.now.value(cluster.LEADS, *labels) or 0)
        for labels in seen.now.labels(cluster.LED)
    )
    return 1 - there, 0


def _failsafe(seen: Seen) -> Judged:
    most = seen.now.largest(cluster.FAILSAFE)
    return None if most is None else (most, 0)


def _missing(seen: Seen) -> Judged:
    members, serving = seen.now.labels(cluster.SERVES), seen.now.total(cluster.SERVES)
    return None if serving is None else (len(members) - serving, 0)


def _lags(seen: Seen) -> Judged:
    most, planned_ = seen.now.largest(cluster.LAG), seen.now.value(planned.LAG)
    return None if most is None or planned_ is None else (most, planned_)


def _unheard(seen: Seen) -> Judged:
    """Of the member that has not heard from etcd for longest, unless the leader says so of all."""
    heard = [seen.now.value(cluster.ETCD, *labels) for labels in seen.now.labels(cluster.ETCD)]
    known, lease = [moment for moment in heard if moment is not None], seen.now.value(planned.LEASE)
    if not known or lease is None or seen.now.largest(cluster.FAILSAFE):
        return None
    return seen.now.time - min(known), lease


def _unsynchronous(seen: Seen) -> Judged:
    return _none(seen, cluster.SYNCHRONOUS) if seen.now.total(cluster.LEADS) else None


def _web_hosts(seen: Seen) -> Judged:
    """How many get no connections although nobody has drained them."""
    ready = [seen.now.value(balancer.READY, *each) for each in seen.now.labels(balancer.READY)]
    if not ready:
        return None
    away = seen.now.total(balancer.READY) or 0, seen.now.total(balancer.DRAINED) or 0
    return len(ready) - sum(away), 0


RULES = (
    Rule("NoLeader", "page", 30, "No member of the cluster leads.", PANEL, _no_leader),
    Rule("SeveralLead", "page", 30, "{:.0f} members say that they lead.", PANEL, _several),
    Rule(
        "PoolerAstray", "page", 60, "PgBouncer is led to a member that does not lead.", 4, _astray
    ),
    Rule("FailsafeMode", "page", 60, "The leader goes on without etcd.", PANEL, _failsafe),
    Rule(
        "MemberMissing",
        "ticket",
        300,
        "Members that neither lead nor follow: {:.0f}.",
        PANEL,
        _missing,
    ),
    Rule(
        "ReplicationLags",
        "ticket",
        300,
        "A standby is {:.0f} bytes behind, too far to lead next.",
        PANEL,
        _lags,
    ),
    Rule(
        "NoSynchronousStandby",
        "ticket",
        300,
        "No standby is synchronous: what is acknowledged is on one host.",
        PANEL,
        _unsynchronous,
    ),
    Rule(
        "EtcdUnheard",
        "ticket",
        300,
        "A member has not heard from etcd for {:.0f} s.",
        PANEL,
        _unheard,
    ),
    Rule(
        "EtcdDown",
        "ticket",
        300,
        "etcd of this host, or of the witness, does not answer.",
        PANEL,
        down("etcd"),
    ),
    Rule("WebHostDown", "ticket", 120, "Web hosts that are not ready: {:.0f}.", 2, _web_hosts),
)
