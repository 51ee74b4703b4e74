"""A cluster: etcd, Patroni and what follows the primary. Sources: the manuals of Patroni and etcd,
and drills (docs/cluster.md)."""

from __future__ import annotations

from pgstack.errors import InputError
from pgstack.planning import layout, names
from pgstack.planning.cluster import Cluster, Follower, Silence
from pgstack.planning.databases import HOLD_MARGIN_SECONDS, Pooler, Postgres
from pgstack.planning.layout import version
from pgstack.planning.services import UPGRADE_SLOT
from pgstack.planning.sizing.basis import Basis, Reasons
from pgstack.planning.sizing.scale import MB

REST_PORT, CLIENT_PORT, PEER_PORT = 8008, 2379, 2380
"""defaults"""
REPLICATION, REWIND = "stack_replication", "stack_rewind"

TTL_SECONDS = 20
"""the least that Patroni 4 takes"""
LOOP_SECONDS, RETRY_SECONDS = 2, 3
"""Patroni requires loop_wait + 2 x retry_timeout <= ttl"""
HEARTBEAT_MS, ELECTION_MS = 200, 2000
"""etcd requires an election timeout of 5 heartbeats and advises 10; twice the default, for disks
that are slow at times"""
LAG_BYTES = MB
"""maximum_lag_on_failover; Patroni's default"""
CONNECTIONS = 3
"""Patroni's own: its look at the server, its REST API, and other members that compare before they
follow"""
SENDERS, SLOTS = 10, 10
"""PostgreSQL's defaults: two standbys, each with a second connection while it is copied, and
backups"""

POLL_SECONDS, ANSWER_SECONDS = 0.2, 0.6
SILENCE_SECONDS = 1.5
"""two answers that did not come: one is nothing unusual on a busy host"""
AHEAD_SECONDS = 1.0
"""transactions end meanwhile, which take milliseconds; a switchover is planned further ahead than
that"""
COMMAND_SECONDS = 2
"""for PgBouncer's console, which answers in milliseconds"""
LOST_HOST = {"tcp_keepidle": 2, "tcp_keepintvl": 1, "tcp_keepcnt": 3}
"""of PgBouncer's backends, in seconds: those of a host that is gone end after 5 s"""
CONNECT_SECONDS = 2
"""server_connect_timeout: to another host of the same network, and to one that is gone"""

LOOK_SECONDS, SIGN_SECONDS = 0.5, 0.8
"""of a member at the leader's host: a connection within a network takes a millisecond, and one
retransmission of its first packet a second"""
SILENT_SECONDS = 3.0
"""two looks that saw nothing or more, and longer than etcd mostly takes to elect, which may have
lost its own leader with that host"""
VOTE_SECONDS = 5
"""more than two looks; etcd grants no lease of less than 1.5 elections"""
RACE_SECONDS = 3
"""Patroni asks all candidates before it leads, the lost one for 2 s, and PostgreSQL is promoted
within another"""

ETCD_BYTES, PATRONI_BYTES, FOLLOWER_BYTES, SILENCE_BYTES = 128 * MB, 96 * MB, 64 * MB, 64 * MB
"""60, 47 and 46 MB resident after some drills, and as much again for what grows; the last is the
same program as the third"""

SAME_EVERYWHERE = ("max_connections", "max_worker_processes")
"""settings that follow from the hardware and must not be less on a standby"""
REPLICATED = {
    "wal_level": "replica",
    "hot_standby": "on",
    "max_wal_senders": str(SENDERS),
    "max_replication_slots": str(SLOTS),
    "max_prepared_transactions": "0",
    "max_locks_per_transaction": "64",
    "track_commit_timestamp": "off",
    "wal_keep_size": "128MB",
}
"""settings that Patroni sets from what it keeps in etcd"""
STOP_SECONDS = 15
"""primary_stop_timeout: a leader that does not stop in time gives up the lock all the same"""
PATRONI_LEAST = (4, 0)
REFUSAL = (
    "STACK_MEMBERS needs Debian 13: Debian {debian} has Patroni {patroni}, which lost acknowledged "
    "writes here. A leader that had been cut off took the lock back from its successor without "
    "comparing (etcd3), and two hosts wrote on the same timeline. Upgrade the hosts, or use one "
    "database host (docs/apart.md)"
)


def require(config_members: dict[str, str], debian: int) -> None:
    """Raise InputError for a release whose Patroni loses writes."""
    patroni = layout.VERSIONS[debian].patroni
    if config_members and version(patroni) < PATRONI_LEAST:
        raise InputError(f"{REFUSAL.format(debian=debian, patroni=patroni)}.")


def cluster(basis: Basis, pooler: Pooler, database: Postgres) -> tuple[Cluster | None, Reasons]:
    """The cluster as planned; None where there is none."""
    config = basis.config
    if not config.members:
        return None, {}
    own = names.of(config.name)
    known = {address: name for name, address in config.members.items()}
    member = known[str(config.database_host)] if "etcd" in config.part.services else ""
    planned = Cluster(
        scope=own.site,
        members=config.members,
        databases=config.databases,
        member=member,
        leader_port=REST_PORT,
        client_port=CLIENT_PORT,
        peer_port=PEER_PORT,
        replication_role=REPLICATION,
        rewind_role=REWIND,
        connections=CONNECTIONS,
        ttl=TTL_SECONDS,
        loop_wait=LOOP_SECONDS,
        retry_timeout=RETRY_SECONDS,
        etcd_heartbeat=HEARTBEAT_MS,
        etcd_election=ELECTION_MS,
        most_lag=LAG_BYTES,
        shared=_shared(database),
        watchdog=config.watchdog,
        follower=Follower(
            run=f"{basis.paths.run}/primary",
            poll=POLL_SECONDS,
            answer=ANSWER_SECONDS,
            silence=SILENCE_SECONDS,
            ahead=AHEAD_SECONDS,
            command=COMMAND_SECONDS,
            hold=pooler.hold,
        ),
        silence=_silence() if config.failover == "silence" else None,
    )
    return planned, _reasons(planned, pooler)


def _silence() -> Silence:
    return Silence(
        poll=LOOK_SECONDS,
        answer=SIGN_SECONDS,
        after=SILENT_SECONDS,
        vote=VOTE_SECONDS,
        memory=SILENCE_BYTES,
        race=RACE_SECONDS,
    )


def _reasons(planned: Cluster, pooler: Pooler) -> Reasons:
    wait, hold, silence = pooler.query_wait_timeout, planned.follower.hold, planned.silence
    fits = f"a lost host, {TTL_SECONDS} s, does not, and requests fail fast after it"
    if silence:
        fits = (
            f"so does a lost host, {silence.after:g} s silence + {silence.look:g} s of its last "
            f"look + {silence.race} s race = {silence.longest:g} s"
        )
    return {
        "cluster.ttl": f"{TTL_SECONDS} s, the least of Patroni 4; {LOOP_SECONDS} s loop_wait + "
        f"2 x {RETRY_SECONDS} s retry_timeout <= {TTL_SECONDS} s. A host that is lost leads until "
        "then",
        "cluster.follower.hold": f"{wait} s query_wait_timeout - {HOLD_MARGIN_SECONDS} s = {hold} "
        f"s: a planned switchover fits; {fits}",
    }


def _shared(database: Postgres) -> dict[str, object]:
    """Patroni's dynamic configuration."""
    same = {name: database.settings[name] for name in (*SAME_EVERYWHERE, *REPLICATED)}
    return {
        "ttl": TTL_SECONDS,
        "loop_wait": LOOP_SECONDS,
        "retry_timeout": RETRY_SECONDS,
        "maximum_lag_on_failover": LAG_BYTES,
        "synchronous_mode": True,
        "failsafe_mode": True,
        "primary_start_timeout": 0,
        "primary_stop_timeout": STOP_SECONDS,
        # Patroni drops all slots that it does not know.
        "ignore_slots": [{"name": UPGRADE_SLOT, "type": "physical"}],
        "postgresql": {"use_pg_rewind": True, "use_slots": True, "parameters": same},
    }


def settings(max_wal_size: str) -> dict[str, str]:
    """Lines of PostgreSQL's drop-in on a member. A standby that is away keeps no more WAL than
    `max_wal_size` from being removed: it is copied anew then."""
    return {
        **REPLICATED,
        "wal_log_hints": "on",
        "max_slot_wal_keep_size": max_wal_size,
        "tcp_user_timeout": "10s",
        "tcp_keepalives_idle": "10",
        "tcp_keepalives_interval": "5",
        "wal_sender_timeout": "5s",
        "wal_receiver_timeout": "10s",
    }


def bytes_of(services: tuple[str, ...]) -> int:
    """Memory of what a host runs for the cluster."""
    sizes = {
        "etcd": ETCD_BYTES,
        "patroni": PATRONI_BYTES,
        "follower": FOLLOWER_BYTES,
        "silence": SILENCE_BYTES,
    }
    return sum(size for name, size in sizes.items() if name in services)


def pooler_settings() -> dict[str, str]:
    """Lines of pgbouncer.ini that differ from those with one database host."""
    values: dict[str, object] = {
        **LOST_HOST,
        "tcp_user_timeout": 1000 * lost_seconds(),
        "server_connect_timeout": CONNECT_SECONDS,
        "server_login_retry": POLL_SECONDS,
    }
    return {name: str(value) for name, value in values.items()}


def lost_seconds() -> int:
    """After which a backend on a host that is gone ends."""
    idle, interval, count = LOST_HOST.values()
    return idle + interval * count
