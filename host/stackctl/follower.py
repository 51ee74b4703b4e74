"""What leads PgBouncer to the primary of a cluster, and reads to a standby: it asks all members,
holds requests back while none leads or a switchover is near, and changes a link for each, to one of
the files that Ansible wrote for each member.

It runs all the time, as an account of its own (stack-follower.service).
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import psycopg2

from pgstack.errors import ProbeError
from pgstack.live.probes import bounded, console, members
from pgstack.live.probes.patroni import EPOCH, Answer, Api
from pgstack.ops import drain, standby
from pgstack.ops.primary import Hold, Led, choose, held
from pgstack.planning import layout
from pgstack.planning.cluster import Cluster

from . import safe
from . import stack as planned
from .safe import StackctlError
from .stack import INSTANCES, Stack

LED, READ = "led", "read"
"""links to nothing, whose text is who leads, its timeline and epoch; and who is read from"""
LINKS = {"primary": "databases.ini", "further": "further.ini", "replica": "replicas.ini"}
"""what PgBouncer reads, by the kind of file that it leads to; the second is for those beside the
first"""
STANDS_BY = "replica"
"""Patroni's word for a server that takes no writes"""
PAUSE_SECONDS = 0.1
"""for a PAUSE, which is not waited for: it holds from its first moment"""
AT_ONCE = 16
"""members that are asked, or PgBouncers that are commanded; more wait for their turn"""


class Follower:
    """One cluster's, beside the PgBouncers of a host and those that may take over from them."""

    def __init__(self, stack: Stack, part: Cluster) -> None:
        self.stack, self.part = stack, part
        self.api = Api(part.leader_port, layout.AUTHORITY, part.follower.answer)
        self.run = Path(part.follower.run)
        self.led = self._remembered()
        self.hold = Hold(time.monotonic())  # one that was killed may have left a PAUSE
        self.heard, self.planned, self.unheard = 0.0, "", False
        most = stack.replicas.lag if stack.replicas else 0.0
        self.lags, self.read = standby.Lags(most), self._text(READ)
        self.order = standby.order(part.databases, socket.gethostname())
        self.threads = ThreadPoolExecutor(AT_ONCE)
        if self.led:  # another plan may have other files
            self._lead(self.led.member, "primary", "further")

    def look(self) -> None:
        """Ask all members, and do what follows from their answers."""
        asked = time.monotonic()
        answers = dict(zip(self.part.databases, self._answers(), strict=True))
        led = choose([*self._claims(answers)], self.led)
        near = led is not None and self._switchover_is_near(led)
        longest = self.part.follower.hold
        before, now = self.hold, time.monotonic()
        self.hold = held(before, wanted=led is None or near, now=now, longest=longest)
        if led:
            moved = led != self.led and self._follow(led)
            moved |= self.stack.replicas is not None and self._read(led, answers, asked)
            if moved or self.unheard:
                self.unheard = not self._command("RELOAD")
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

    def _answers(self) -> Iterator[Answer | None]:
        return self.threads.map(self._primary, self.part.databases.values())

    def _claims(self, answers: Mapping[str, Answer | None]) -> Iterator[Led]:
        """Members that lead: one that has the lock, and is yet to be promoted, takes no writes."""
        for member, answer in answers.items():
            if answer and answer.good and answer.body.get("role") != STANDS_BY:
                if self.led and member == self.led.member:
                    self.heard = time.monotonic()
                tags = answer.body.get("tags") or {}
                yield Led(member, int(answer.body.get("timeline") or 0), int(tags.get(EPOCH) or 0))
            elif answer is None and self.led and member == self.led.member and self._is_patient():
                yield self.led

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

    def _follow(self, led: Led) -> bool:
        """Lead PgBouncer there, once it is told. What it has open to another host ends with its
        transaction."""
        safe.link(self.run / LED, f"{led.member} {led.timeline} {led.epoch}")
        self._lead(led.member, "primary", "further")
        print(f"{led.member} leads, timeline {led.timeline}", flush=True)
        self.led, self.heard, self.planned = led, time.monotonic(), ""
        self.lags.forget()
        return True

    def _read(self, led: Led, answers: Mapping[str, Answer | None], asked: float) -> bool:
        """Lead reads to a standby that is near the primary, else there; whether that is another
        member than before. While nobody leads, reads stay where they are."""
        for member, answer in answers.items():
            if answer is not None:
                self._note(member, answer, asked, leads=member == led.member)
        behind = self.lags.behind(time.monotonic())
        wanted = standby.choose(behind, self.read, self.order, self.lags.most) or led.member
        if wanted == self.read:
            return False
        role = "leads" if wanted == led.member else f"is {behind[wanted]:.1f} s behind"
        print(f"reads lead to {wanted}, which {role}", flush=True)
        safe.link(self.run / READ, wanted)
        self._lead(wanted, "replica")
        self.read = wanted
        return True

    def _note(self, member: str, answer: Answer, asked: float, *, leads: bool) -> None:
        """How far a member has written, or replayed."""
        wal = answer.body.get("xlog") or {}
        if leads and answer.good and "location" in wal:
            self.lags.wrote(int(wal["location"]), asked)
        streams = answer.body.get("replication_state") == members.STREAMS
        follows = streams and not leads and not members.unfit(answer.body)
        self.lags.replayed(member, wal.get("replayed_location") if follows else None, asked)

    def _lead(self, member: str, *kinds: str) -> None:
        """Have links lead to what PgBouncer reads to be led to a member, once it is told."""
        number = [*self.part.databases].index(member) + 1
        for kind in kinds:
            file = f"{self.stack.paths.conf}/pgbouncer/{kind}-{number}.ini"
            safe.link(self.run / LINKS[kind], file)

    def _text(self, name: str) -> str:
        """What a link says, from before this was started again; empty without one."""
        with suppress(OSError):
            return str((self.run / name).readlink())
        return ""

    def _remembered(self) -> Led | None:
        """Who led then."""
        with suppress(ValueError, TypeError):
            member, *numbers = self._text(LED).split()
            if member in self.part.databases:
                return Led(member, *(int(number) for number in numbers))
        return None

    def _command(self, words: str, seconds: float | None = None) -> bool:
        """Have each PgBouncer do it that runs, all at once; False when one of them has not said
        that it has. While another number takes over, some are none of the plan's."""
        longest = self.part.follower.command
        places = [self.stack.run / f"pooler-{instance}" for instance in INSTANCES]
        sockets = [(str(place), port) for place in places for port in console.ports(place)]
        with bounded.waits(longest):
            consoles = [*self.threads.map(self._console, sockets)]
        with bounded.waits(seconds or longest):
            return all([*self.threads.map(partial(_has_done, words), consoles)])

    def _console(self, place: tuple[str, int]) -> Any:
        """A connection to one; None where it does not run, False where it says nothing."""
        try:
            return console.connect(*place, self.stack.accounts.follower)
        except bounded.NoAnswer:
            return False
        except psycopg2.Error:
            return None


def _has_done(words: str, asked: Any) -> bool:
    """Whether it has said so; one that does not run has nothing to do."""
    if not asked:
        return asked is None
    try:
        with closing(asked):
            console.rows(asked, words)
    except bounded.NoAnswer:
        return False
    except psycopg2.Error:  # nor has one that has done it
        pass
    return True


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
