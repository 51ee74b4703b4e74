"""The timeouts of a cluster: which must end before which."""

from __future__ import annotations

from collections.abc import Iterator

from pgstack.planning.cluster import Cluster, Silence
from pgstack.planning.inequalities import Invariant, ascending, at_most
from pgstack.planning.plan import Plan
from pgstack.planning.replicas import Replicas


def check(plan: Plan) -> Iterator[Invariant]:
    """Every inequality of the cluster in `plan`; none without one."""
    part = plan.cluster
    if part is None:
        return
    yield at_most(
        "lease of the leader in s",
        part.loop_wait + 2 * part.retry_timeout,
        f"{part.loop_wait} loop_wait + 2 x {part.retry_timeout} retry_timeout",
        part.ttl,
        "ttl",
        "Lower retry_timeout.",
    )
    yield ascending(
        "timeouts of an election in s",
        {
            "etcd heartbeat": part.etcd_heartbeat / 1000,
            "etcd election": part.etcd_election / 1000,
            "retry_timeout": part.retry_timeout,
            "ttl": part.ttl,
        },
    )
    if part.silence:
        yield from _silence(part, part.silence)
    if not part.member:
        yield from _follower(plan)
    if plan.replicas:
        yield _reads(part, plan.replicas)


def _silence(part: Cluster, silence: Silence) -> Iterator[Invariant]:
    """Requests are held back before another leads, and still wait when it does; etcd has elected
    before anybody is to vote, and a vote counts until the other member has looked too."""
    chain = {
        "answer of a lost host": silence.answer,
        "silence for who follows": part.follower.silence,
        "etcd election": part.etcd_election / 1000,
        "silence for members": silence.after,
        "and their last look": silence.after + silence.look,
        "and another leads": silence.longest,
        "held back": part.follower.hold,
        "ttl": part.ttl,
    }
    yield ascending("timeouts of a lost host in s", chain)
    looks = {"two looks": 2 * (silence.poll + silence.look), "vote": silence.vote}
    yield ascending("timeouts of a vote in s", looks)


def _reads(part: Cluster, replicas: Replicas) -> Invariant:
    """A visitor who has written reads from the primary until reads lead nowhere that lacks it: the
    follower asks for the lag, then for a switchover, and has each PgBouncer do it."""
    follower = part.follower
    look = follower.poll + 2 * follower.answer
    moved = replicas.lag + look + 2 * follower.command
    chain = {
        "look at standbys": look,
        "their lag": replicas.lag,
        "and reads lead elsewhere": moved,
        "a visitor who wrote": replicas.pinned,
    }
    return ascending("timeouts of reads from standbys in s", chain)


def _follower(plan: Plan) -> Iterator[Invariant]:
    """Of a web host: it sees that nobody leads before PgBouncer does, and whoever is held back goes
    on before PgBouncer, and Django behind it, give up."""
    part, settings = plan.cluster, plan.pooler.settings
    if part is None:
        return
    idle, interval, count = (
        int(settings[name]) for name in ("tcp_keepidle", "tcp_keepintvl", "tcp_keepcnt")
    )
    chain = {
        "look at members": part.follower.poll,
        "their answer": part.follower.answer,
        "held back before a switchover": part.follower.ahead,
        "their silence": part.follower.silence,
        "server_connect_timeout": float(settings["server_connect_timeout"]),
        "lost host": idle + interval * count,
        "held back": part.follower.hold,
        "query_wait_timeout": plan.pooler.query_wait_timeout,
        "request-timeout": plan.web.request_timeout,
    }
    yield ascending("timeouts of who follows the primary in s", chain)
