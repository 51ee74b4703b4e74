"""What a cluster of database hosts is planned with: etcd, Patroni, and who follows the primary."""

from __future__ import annotations

from typing import Literal

from pgstack.planning.part import Part


class Follower(Part):
    """The program beside each PgBouncer that leads it to the primary."""

    run: str
    """directory of the link to what PgBouncer reads of the primary"""
    poll: float
    """seconds between two looks at all members"""
    answer: float
    """seconds that a member has for its answer"""
    silence: float
    """seconds for which the primary still counts as one when it says nothing, as a busy host does;
    one that says that it does not lead counts no more at once"""
    ahead: float
    """seconds before a planned switchover from which requests are held back"""
    command: float
    """seconds that PgBouncer's console has for a command"""
    hold: int
    """seconds that requests are held back for at most, however long there is no primary"""


class Silence(Part):
    """What ends the lease of a leader whose host is lost, before its time is over."""

    poll: float
    """seconds between two looks at the leader's host"""
    answer: float
    """seconds that its Patroni has for an answer, after that its ports to accept or refuse a
    connection, and etcd for its answer"""
    after: float
    """seconds without a sign of it after which a member says so"""
    vote: int
    """seconds for which what a member said counts"""
    memory: int
    """bytes that its program may have"""
    race: int
    """seconds from the end of the lease until another leads"""

    @property
    def look(self) -> float:
        """Seconds of a look at a host that is lost."""
        return 2 * self.answer

    @property
    def longest(self) -> float:
        """Seconds from the loss of a host until another leads."""
        return self.after + self.look + self.race


class Cluster(Part):
    """Three hosts with etcd. All of them, or all but a witness, have a database; one leads."""

    scope: str
    """its name in etcd"""
    members: dict[str, str]
    """address of each host with etcd by its name"""
    databases: dict[str, str]
    """those of them that have the database: all but the witness"""
    member: str
    """which of `members` this host is; empty on a web host"""
    leader_port: int
    """of Patroni's REST API"""
    client_port: int
    """of etcd, as the next"""
    peer_port: int
    replication_role: str
    rewind_role: str
    """logs in at the leader to compare its files with those of a host that led before"""
    connections: int
    """of Patroni, at PostgreSQL"""
    ttl: int
    """seconds that a leader stays one without being heard of"""
    loop_wait: int
    """seconds between two looks of Patroni"""
    retry_timeout: int
    """seconds that Patroni tries to reach etcd or PostgreSQL for"""
    etcd_heartbeat: int
    """milliseconds, as the next"""
    etcd_election: int
    most_lag: int
    """bytes that a standby may be behind and still lead next (maximum_lag_on_failover)"""
    shared: dict[str, object]
    """what Patroni keeps in etcd: it is the same for all members"""
    watchdog: Literal["off", "automatic", "required"]
    """whether the kernel resets a leader's host whose Patroni hangs"""
    follower: Follower
    silence: Silence | None
    """None: a lost leader leads until its lease ends"""

    @property
    def address(self) -> str:
        """Of this host."""
        return self.members[self.member]

    @property
    def witness(self) -> str:
        """The member that has no database; empty where each has."""
        return next((name for name in self.members if name not in self.databases), "")

    @property
    def others(self) -> dict[str, str]:
        """Address of each other member by its name."""
        return {name: place for name, place in self.members.items() if name != self.member}
