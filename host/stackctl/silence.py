"""What ends the lease of a leader whose host is lost: Patroni alone would wait for its end.

It looks whether that host says anything, or accepts or refuses a connection, and says in etcd when
it has not for some seconds. It ends the lease once all other members say so and this one has every
acknowledged write.

It runs all the time, as etcd's account (stack-silence.service).
"""

from __future__ import annotations

import json
import signal
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from pgstack.errors import ProbeError
from pgstack.live.probes.etcd import Etcd
from pgstack.live.probes.patroni import Api
from pgstack.ops.silence import Leader, Quiet, ends, looked
from pgstack.planning import layout
from pgstack.planning.cluster import Cluster, Silence

from . import stack as planned
from .authority import DIRECTORY
from .safe import StackctlError


class Watch:
    """That of one member."""

    def __init__(self, part: Cluster, silence: Silence, ports: tuple[int, ...]) -> None:
        self.part, self.silence, self.ports = part, silence, ports
        files = layout.AUTHORITY, str(DIRECTORY / "etcd.pem"), str(DIRECTORY / "etcd.key")
        self.etcd = Etcd(part.address, part.client_port, silence.answer, *files)
        self.patroni = Api(part.leader_port, layout.AUTHORITY, silence.answer)
        self.keys, self.votes = f"/service/{part.scope}/", f"/stack/{part.scope}/silent/"
        self.own, self.quiet = part.member, Quiet()
        self.told: Leader | None = None
        self.threads = ThreadPoolExecutor(len(ports))

    def look(self) -> None:
        """Look once, and do what follows. Raises ProbeError where etcd does not answer."""
        began, leader = time.monotonic(), self._leader()
        sign = leader is None or leader.member == self.own or self._answers(leader)
        self.quiet = looked(self.quiet, leader, began, sign=sign)
        if leader is None or self.quiet.since is None:
            return
        if time.monotonic() - self.quiet.since >= self.silence.after:
            self._vote(leader)

    def _leader(self) -> Leader | None:
        """As last known where etcd does not say: it elects a leader of its own after a loss."""
        with suppress(ProbeError):
            value = self.etcd.value(f"{self.keys}leader")
            return Leader(value.text, value.lease) if value and value.lease else None
        return self.quiet.leader

    def _answers(self, leader: Leader) -> bool:
        """Whether its Patroni says anything, or else the host accepts or refuses a connection."""
        address = self.part.members.get(leader.member, "")
        with suppress(ProbeError):
            return not address or bool(self.patroni.get(address, "liveness"))
        return any(self.threads.map(lambda port: self._sign(address, port), self.ports))

    def _sign(self, address: str, port: int) -> bool:
        try:
            socket.create_connection((address, port), self.silence.answer).close()
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
        return True

    def _vote(self, leader: Leader) -> None:
        """Say that the leader is silent, and end its lease when that is this member's to do."""
        if self.told != leader:
            print(f"no sign of {leader.member} for {self.silence.after:g} s", flush=True)
            self.told = leader
        self.etcd.put(f"{self.votes}{self.own}", leader.lease, self.silence.vote)
        votes = self.etcd.values(self.votes)
        if ends(leader, self.own, self._synchronous(), votes, self.part.members):
            self.etcd.revoke(leader.lease)
            print(f"the lease of {leader.member} is ended: its host is lost", flush=True)

    def _synchronous(self) -> list[str]:
        """Members that have every acknowledged write, by Patroni's note."""
        note = self.etcd.value(f"{self.keys}sync")
        return str(json.loads(note.text).get("sync_standby") or "").split(",") if note else []


def main(plan: str) -> None:
    """Watch the leader until this is told to end."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        stack = planned.read(plan)
    except StackctlError as error:
        sys.exit(str(error))
    part = stack.cluster
    if part is None or part.silence is None or not part.member:
        sys.exit(f"{plan}: there is no leader to watch. Run the playbook site.yml.")
    watch = Watch(part, part.silence, (part.leader_port, stack.postgres.port))
    while True:
        began = time.monotonic()
        with suppress(ProbeError):
            watch.look()
        time.sleep(max(0.0, part.silence.poll - (time.monotonic() - began)))
