"""What leads PgBouncer to the primary of a cluster: it asks all members, holds requests back while
none leads or a switchover is near, and changes one link, to one of the files that Ansible wrote for
each member.

It runs all the time, as an account of its own (stack-follower.service).
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import UTC, datetime
from itertools import product
from pathlib import Path

import psycopg2

from pgstack.errors import ProbeError
from pgstack.live.probes import bounded, console
from pgstack.live.probes.patroni import Answer, Api
from pgstack.ops import drain
from pgstack.ops.primary import Hold, Led, choose, held
from pgstack.planning import layout
from pgstack.planning.cluster import Cluster

from . import safe
from . import stack as planned
from .safe import StackctlError
from .stack import INSTANCES, Stack

LINK, LED = "databases.ini", "led"
"""what PgBouncer reads; a link to nothing, whose text is who leads on which timeline"""
COMMAND_SECONDS = 2
"""for PgBouncer's console; a PAUSE is not waited for: it holds from its first moment"""
PAUSE_SECONDS = 0.1


class Follower:
    """One cluster's, beside one PgBouncer and the one that may take over from it."""

    def __init__(self, stack: Stack, part: Cluster) -> None:
        self.stack, self.part = stack, part
        self.api = Api(part.leader_port, layout.AUTHORITY, part.follower.answer)
        self.run = Path(part.follower.run)
        self.led = self._remembered()
        self.hold = Hold(time.monotonic())  # one that was killed may have left a PAUSE
        self.heard, self.planned = 0.0, ""
        self.threads = ThreadPoolExecutor(len(part.members))

    def look(self) -> None:
        """Ask all members, and do what follows from their answers."""
        led = choose(dict(self._claims()), self.led)
        near = led is not None and self._switchover_is_near(led)
        longest = self.part.follower.hold
        before, now = self.hold, time.monotonic()
        self.hold = held(before, wanted=led is None or near, now=now, longest=longest)
        if led and led != self.led:
            self._follow(led)
        if led and self.hold.since is None:
            if before.since is not None:
                self.resume(f"{led.member} leads, {now - before.since:.1f} s later")
        elif before.since is None:
            self._pause("a switchover is near" if near else "no member leads")
        elif self.hold.over and not before.over:
            self.resume(f"nobody leads after {longest} s: requests fail from now on")

    def resume(self, why: str) -> None:
        """Let requests go on."""
        print(f"requests go on: {why}", flush=True)
        for words in drain.resumes(self.stack):
            self._command(words)

    def _claims(self) -> Iterator[tuple[str, int]]:
        """Members that say that they lead, with their timelines."""
        answers = self.threads.map(self._primary, self.part.members.values())
        for member, answer in zip(self.part.members, answers, strict=True):
            if answer and answer.good:
                if self.led and member == self.led.member:
                    self.heard = time.monotonic()
                yield member, int(answer.body.get("timeline") or 0)
            elif answer is None and self.led and member == self.led.member and self._is_patient():
                yield member, self.led.timeline

    def _is_patient(self) -> bool:
        """Whether the primary has been silent for so short a time that it counts as one."""
        return time.monotonic() - self.heard < self.part.follower.silence

    def _primary(self, address: str) -> Answer | None:
        try:
            return self.api.get(address, "primary")
        except ProbeError:
            return None

    def _switchover_is_near(self, led: Led) -> bool:
        """Whether one is planned for the next moment; as it was, where the primary does not say."""
        with suppress(ProbeError):
            shown = self.api.get(self.part.members[led.member], "cluster").body
            self.planned = (shown.get("scheduled_switchover") or {}).get("at") or ""
        if not self.planned:
            return False
        left = datetime.fromisoformat(self.planned) - datetime.now(UTC)
        return left.total_seconds() <= self.part.follower.ahead

    def _pause(self, why: str) -> None:
        print(f"requests wait: {why}", flush=True)
        self._command("PAUSE", PAUSE_SECONDS)

    def _follow(self, led: Led) -> None:
        """Lead PgBouncer there. What it has open to another host ends with its transaction."""
        number = [*self.part.members].index(led.member) + 1
        safe.link(self.run / LED, f"{led.member} {led.timeline}")
        safe.link(self.run / LINK, f"{self.stack.paths.conf}/pgbouncer/primary-{number}.ini")
        print(f"{led.member} leads, timeline {led.timeline}", flush=True)
        self.led, self.heard, self.planned = led, time.monotonic(), ""
        self._command("RELOAD")

    def _remembered(self) -> Led | None:
        """Who led when this was started again."""
        with suppress(OSError, ValueError):
            member, timeline = str((self.run / LED).readlink()).split()
            if member in self.part.members:
                return Led(member, int(timeline))
        return None

    def _command(self, words: str, seconds: float = COMMAND_SECONDS) -> None:
        """Have each PgBouncer do it that runs."""
        login = self.stack.accounts.follower
        for instance, process in product(INSTANCES, self.stack.pooler.processes):
            sockets = str(Path(self.stack.paths.run, f"pooler-{instance}"))
            with suppress(psycopg2.Error), bounded.waits(COMMAND_SECONDS):
                connection = console.connect(sockets, process.port, login)
                with closing(connection), bounded.waits(seconds):
                    console.rows(connection, words)


def main(plan: str) -> None:
    """Follow the primary until this is told to end; then requests go on."""
    os.environ["PGSSLMODE"] = "disable"  # libpq looks at no home
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        stack = planned.read(plan)
    except StackctlError as error:
        sys.exit(str(error))
    if stack.cluster is None:
        sys.exit(f"{plan}: there is no cluster to follow. Run the playbook site.yml.")
    follower = Follower(stack, stack.cluster)
    try:
        while True:
            began = time.monotonic()
            follower.look()
            time.sleep(max(0.0, stack.cluster.follower.poll - (time.monotonic() - began)))
    finally:
        follower.resume("this program ends")
