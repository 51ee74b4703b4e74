"""What may happen to a cluster, and what must come of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from asking import etcd_leader
from cluster_hosts import Cluster
from docker_engine import docker
from network import both, late, lost, one_way
from processes import ETCD, PATRONI, few_writes, halted, kill_postgres, killed, slow_disk

NO_ETCD_SECONDS = 15


@dataclass(frozen=True)
class Fault:
    """One that lasts for `seconds`, or is over at once. `silence` is the longest that nobody may
    get a good answer, in seconds."""

    name: str
    what: str
    seconds: float
    silence: float
    happens: Callable[[Cluster], AbstractContextManager[None]]
    harmless: bool = False
    """whether no request may fail"""


FAULTS: list[Fault] = []
Happens = Callable[[Cluster], Iterator[None]]


def fault(
    what: str, seconds: float, silence: float, *, harmless: bool = False
) -> Callable[[Happens], Happens]:
    """Register a fault by the name of its function."""

    def register(happens: Happens) -> Happens:
        name = happens.__name__.replace("_", "-")
        FAULTS.append(Fault(name, what, seconds, silence, contextmanager(happens), harmless))
        return happens

    return register


@fault("leader cut off from the other members, not from the web host", 14, 20)
def cut_off_from_members(cluster: Cluster) -> Iterator[None]:
    leader = cluster.leader()
    with lost(both(cluster.hosts(leader), cluster.others(leader))):
        yield


@fault("leader cut off from everybody", 30, 20)
def cut_off_from_all(cluster: Cluster) -> Iterator[None]:
    leader = cluster.leader()
    with lost(both(cluster.hosts(leader), [*cluster.others(leader), cluster.web])):
        yield


@fault("leader cut off from the web host only", 12, 20)
def cut_off_from_web(cluster: Cluster) -> Iterator[None]:
    with lost(both(cluster.hosts(cluster.leader()), [cluster.web])):
        yield


@fault("what the leader sends to the other members is lost", 14, 20)
def leader_unheard(cluster: Cluster) -> Iterator[None]:
    leader = cluster.leader()
    with lost(one_way(cluster.hosts(leader), cluster.others(leader))):
        yield


@fault("what the other members send to the leader is lost", 14, 20)
def leader_deaf(cluster: Cluster) -> Iterator[None]:
    leader = cluster.leader()
    with lost(one_way(cluster.others(leader), cluster.hosts(leader))):
        yield


@fault("what the leader sends to the web host is lost", 6, 20)
def leader_unheard_by_web(cluster: Cluster) -> Iterator[None]:
    with lost(one_way(cluster.hosts(cluster.leader()), [cluster.web])):
        yield


@fault("what the web host sends to the leader is lost", 6, 20)
def leader_deaf_to_web(cluster: Cluster) -> Iterator[None]:
    with lost(one_way([cluster.web], cluster.hosts(cluster.leader()))):
        yield


@fault("leader cut off from the standby that has every acknowledged write", 14, 20)
def cut_off_from_synchronous(cluster: Cluster) -> Iterator[None]:
    standby = cluster.standbys()[0]
    with lost(both(cluster.hosts(cluster.leader()), cluster.hosts(standby))):
        yield


@fault("200 ms longer on every way to the leader", 20, 20)
def leader_late(cluster: Cluster) -> Iterator[None]:
    leader = cluster.leader()
    with late(one_way([*cluster.others(leader), cluster.web], cluster.hosts(leader)), 0.2):
        yield


@fault("5 % of all packets between all hosts lost", 20, 20)
def packets_lost(cluster: Cluster) -> Iterator[None]:
    hosts = [*cluster.members.values(), cluster.web]
    ways = [(sender, receiver) for sender in hosts for receiver in hosts if sender != receiver]
    with lost(ways, 0.05):
        yield


@fault("etcd's own leader killed, and not started again", 15, 5, harmless=True)
def etcd_leader_gone(cluster: Cluster) -> Iterator[None]:
    with killed(cluster.hosts(etcd_leader(cluster.members)), ETCD):
        yield


@fault("etcd killed on two members, and not started again", 25, 5, harmless=True)
def etcd_majority_gone(cluster: Cluster) -> Iterator[None]:
    with killed(cluster.others(cluster.standbys()[0]), ETCD):
        yield


@fault("etcd killed on all members, and not started again", 25, 5, harmless=True)
def etcd_gone(cluster: Cluster) -> Iterator[None]:
    with killed([*cluster.members.values()], ETCD):
        yield


@fault("each write of etcd's on all members takes 0.5 s longer", 20, 5, harmless=True)
def etcd_slow(cluster: Cluster) -> Iterator[None]:
    with slow_disk([*cluster.members.values()], 0.5):
        yield


@fault("the leader's disk takes ten writes a second, for all that is on it", 20, 20)
def leader_slow(cluster: Cluster) -> Iterator[None]:
    with few_writes(cluster.hosts(cluster.leader()), 10):
        yield


@fault("the disk of the synchronous standby takes ten writes a second", 20, 20)
def synchronous_slow(cluster: Cluster) -> Iterator[None]:
    with few_writes(cluster.hosts(cluster.standbys()[0]), 10):
        yield


@fault("the disks of all members take ten writes a second each", 20, 20)
def all_slow(cluster: Cluster) -> Iterator[None]:
    with few_writes([*cluster.members.values()], 10):
        yield


@fault("Patroni of the leader stopped by a signal", 40, 30)
def patroni_halted(cluster: Cluster) -> Iterator[None]:
    with halted(cluster.members[cluster.leader()], PATRONI):
        yield


@fault("PostgreSQL of the leader killed", 8, 15)
def postgres_killed(cluster: Cluster) -> Iterator[None]:
    kill_postgres(cluster.members[cluster.leader()])
    yield


@fault("host of the leader lost", 16, 20)
def host_lost(cluster: Cluster) -> Iterator[None]:
    leader = cluster.leader()
    cluster.lose(leader)
    try:
        yield
    finally:
        docker("start", cluster.members[leader].container)


@fault("host of the synchronous standby lost", 14, 15)
def synchronous_lost(cluster: Cluster) -> Iterator[None]:
    standby = cluster.standbys()[0]
    cluster.lose(standby)
    try:
        yield
    finally:
        docker("start", cluster.members[standby].container)


@fault("planned switchover", 2, 8, harmless=True)
def switchover(cluster: Cluster) -> Iterator[None]:
    cluster.switchover()
    yield


@fault("planned switchover as soon as two etcds that were killed are back", 2, 8, harmless=True)
def switchover_after_etcd(cluster: Cluster) -> Iterator[None]:
    with killed(cluster.others(cluster.standbys()[0]), ETCD):
        time.sleep(NO_ETCD_SECONDS)
    cluster.switchover()
    yield


@fault("host of the leader lost as soon as two etcds that were killed are back", 30, 40)
def host_lost_after_etcd(cluster: Cluster) -> Iterator[None]:
    with killed(cluster.others(cluster.standbys()[0]), ETCD):
        time.sleep(NO_ETCD_SECONDS)
    with contextmanager(host_lost)(cluster):
        yield
