"""A fault under load: users of the site, writers at every member, and what came of both."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import requests
from cluster_faults import Fault
from cluster_hosts import BEFORE_SECONDS, Cluster
from history import Write, conflicts, forks, longest_gap, lost
from systemd_host import INPUTS
from writers import BY_DIRECT, writing

from drills import load

REWIND_SECONDS = 20
RECENT = 20
"""writes of which one is read again"""
HISTORIES = 'cd /var/lib/postgresql/17/main/pg_wal && for file in *.history; do echo "@@$file"; cat "$file"; done'


@dataclass
class Readers(load.Load):
    """Users who read what was acknowledged a moment ago, instead of a page."""

    stale: list[str] = field(default_factory=list)
    """keys of writes that a later read did not have"""

    def _read(self, session: requests.Session) -> None:
        known = self.acknowledged[-RECENT:]
        if not known:
            super()._read(session)
            return
        key = random.choice(known)
        place = f"{self.stack.url}/ledger/transfers/{key}"
        status = self._count(lambda: session.get(place, timeout=load.PATIENCE_SECONDS), {200, 404})
        if status == 404:
            self.stale.append(key)


@dataclass(frozen=True)
class Seen:
    """What came of a drill."""

    users: load.Figures
    whole: float
    """seconds after the fault until the cluster was as planned"""
    writes: int
    """acknowledged by members, of which so many to Django's `direct`"""
    direct: int
    direct_silence: float
    """seconds: the longest that `direct` wrote nothing"""
    lost: list[Write]
    conflicts: list[str]
    forks: list[str]
    stale: list[str]
    balanced: bool

    def require_sound(self) -> None:
        """Fail where a write was lost or taken twice, or a read was stale."""
        assert self.users.lost == 0, self
        wrong = self.lost, self.conflicts, self.forks, self.stale
        assert wrong == ([], [], [], []), self
        assert self.balanced, self


def require(fault: Fault, seen: Seen) -> None:
    """Fail where more came of a fault than may."""
    seen.require_sound()
    assert seen.users.silence < fault.silence, seen
    if fault.harmless:
        assert seen.users.failed == 0, seen


def nothing(_: Cluster) -> None:
    """Happens after most faults."""


def drilled(
    cluster: Cluster, fault: Fault, after: float, then: Callable[[Cluster], None] = nothing
) -> Seen:
    """Have a fault happen under load; `then` happens once the cluster is whole."""

    def happens() -> None:
        with fault.happens(cluster):
            time.sleep(fault.seconds)

    return drilled_by(cluster, fault.name, happens, after, then)


def drilled_by(
    cluster: Cluster,
    name: str,
    happens: Callable[[], None],
    after: float = 3,
    then: Callable[[Cluster], None] = nothing,
) -> Seen:
    """The same of what `happens`; the load goes on for so many seconds after all."""
    readers = Readers(cluster, INPUTS["hosts"][0])
    with writing(cluster) as writers, load.meanwhile(readers):
        time.sleep(BEFORE_SECONDS)
        began = time.monotonic()
        happens()
        over = time.monotonic()
        cluster.wait()
        whole = time.monotonic() - over
        then(cluster)
        time.sleep(after)
        ended = time.monotonic()
    writes = writers.acknowledged()
    by_direct = [write for write in writes if write.writer.startswith(BY_DIRECT)]
    seen = Seen(
        users=readers.figures(began),
        whole=whole,
        writes=len(writes),
        direct=len(by_direct),
        direct_silence=longest_gap([began, *(write.ended for write in by_direct), ended]),
        lost=lost(writes, writers.stored()),
        conflicts=[*conflicts(writes)],
        forks=_forks(cluster),
        stale=readers.stale,
        balanced=_balanced(cluster),
    )
    print(f"{name}, load {os.getloadavg()[0]:.0f}: {seen}", flush=True)
    if seen.forks:
        cluster.show_elections(time.monotonic() - began)
        print({member: histories(cluster, member) for member in cluster.members}, flush=True)
    return seen


def _balanced(cluster: Cluster) -> bool:
    """Whether the books of the ledger add up."""
    host = {"Host": INPUTS["hosts"][0]}
    with requests.Session() as session:
        session.trust_env = False
        answer = session.get(f"{cluster.url}/ledger/audit", headers=host, timeout=60)
        return bool(answer.json()["balanced"])


def _forks(cluster: Cluster) -> list[str]:
    """Timelines whose history stays different. While pg_rewind copies them some are empty."""
    deadline = time.monotonic() + REWIND_SECONDS
    while True:
        there = forks({member: histories(cluster, member) for member in cluster.members})
        if not there or time.monotonic() > deadline:
            return there
        time.sleep(1)


def histories(cluster: Cluster, member: str) -> dict[str, str]:
    """Text of each timeline's history on a member, by the name of its file."""
    text = cluster.members[member].run("sh", "-c", HISTORIES, check=False).stdout
    parts = (part.partition("\n") for part in text.split("@@") if part)
    return {name: body for name, _, body in parts}
