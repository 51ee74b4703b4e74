"""Requests/s of two running stacks that take turns: what one of them costs more.

    .venv/bin/python loadtest/two_stacks.py .stack/conf/plan.json /tmp/other/conf/plan.json

asks them for a page over USERS kept connections, in turns of a fifth of a second: where the
processors are not always as fast, two rates of two neighbouring seconds differ by 10 %, and these
by 1 %. Each block is with a new Apache and new web processes, for two stacks that are alike differ
a little as long as these live. Prints both rates of every block; then what a request took of the
processors in each kind of process, and the ratio of the first stack to the second, with its 95 %
interval, by requests/s and by requests per second of processor time, which leaves out what `wrk`
takes.

A stack's exporter is scraped as often as Prometheus does. Exit status 1 when the lower bound of
requests/s is below --at-least. It needs `wrk`.
"""

from __future__ import annotations

import argparse
import math
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import psutil
import requests

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(CHECKOUT), str(CHECKOUT / "app")]

from loadtest import program  # noqa: E402 - the path comes first
from loadtest.lab import intervals  # noqa: E402
from pgstack.errors import InputError, TargetError  # noqa: E402
from pgstack.live import account  # noqa: E402
from pgstack.live.probes import exporter, supervisord  # noqa: E402
from pgstack.planning.metrics import Metrics  # noqa: E402
from pgstack.planning.plan import Plan  # noqa: E402

USERS = 16
WARM_SECONDS = 3
TURN_SECONDS = 0.2
DRAIN_SECONDS = 0.02
"""between turns: what is under way is answered"""
RENEW_SECONDS = 60
PAUSE_SECONDS = 0.1
SCRAPE_SECONDS = 15
ANSWERED = re.compile(r"(\d+) requests in")


@dataclass
class Block:
    """What was measured of a stack while its processes were the same."""

    seconds: float = 0.0
    answered: int = 0
    used: Counter[str] = field(default_factory=Counter)
    """kind of process → CPU microseconds"""


@dataclass(frozen=True)
class Stack:
    """A running one."""

    plan: Plan
    address: str
    blocks: list[Block] = field(default_factory=list)

    def renew(self) -> None:
        """Begin a block: have new web processes, and ask them until they are warm."""
        supervisor = supervisord.call(self.plan, RENEW_SECONDS)
        supervisor.stopProcess("apache")
        supervisor.startProcess("apache")
        while not reached(self.address):
            time.sleep(PAUSE_SECONDS)
        with Load(self.address, WARM_SECONDS) as load:
            load.turn(WARM_SECONDS)

    def used(self) -> Counter[str]:
        """CPU microseconds of its processes so far."""
        top = psutil.Process(int(Path(self.plan.paths.root, "run/supervisord.pid").read_text()))
        used: Counter[str] = Counter()
        for process in top.children(recursive=True):
            with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                title = (process.cmdline() or [""])[0]
                kind = "web processes" if title.startswith("(wsgi:") else process.name()
                used[kind] += round(sum(process.cpu_times()[:4]) * 1e6)
        return used

    def costs(self) -> str:
        """CPU microseconds of a request, over all blocks."""
        answered = sum(block.answered for block in self.blocks)
        used = sum((block.used for block in self.blocks), Counter())
        each = [f"{kind} {total / answered:.1f}" for kind, total in used.most_common()]
        return f"{', '.join(each)}: {used.total() / answered:.1f} CPU µs a request"

    def rates(self) -> dict[int, float | None]:
        """Requests/s in each block."""
        return {place: block.answered / block.seconds for place, block in enumerate(self.blocks)}

    def thrift(self) -> dict[int, float | None]:
        """Requests per second of processor time in each block."""
        return {
            place: block.answered / block.used.total() * 1e6
            for place, block in enumerate(self.blocks)
        }


def reached(address: str) -> bool:
    """Whether it is answered."""
    with suppress(OSError):
        return requests.get(address, timeout=5).ok
    return False


class Load:
    """Users of a page who are stopped between turns. They leave after so many seconds."""

    def __init__(self, address: str, seconds: float) -> None:
        self.address, self.over, self.active = address, time.monotonic() + seconds, 0.0
        # A request of before a turn is not late: the users were stopped.
        length = math.ceil(seconds)
        words = f"wrk --threads=1 --connections={USERS} --timeout=1m --duration={length}s {address}"
        self._users = subprocess.Popen(words.split(), stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Self:
        self._users.send_signal(signal.SIGSTOP)
        return self

    def turn(self, seconds: float) -> None:
        """Let them ask for so long, and be answered."""
        begun = time.monotonic()
        self._users.send_signal(signal.SIGCONT)
        time.sleep(seconds)
        self._users.send_signal(signal.SIGSTOP)
        self.active += time.monotonic() - begun
        time.sleep(DRAIN_SECONDS)

    def __exit__(self, *_: object) -> None:
        self._users.send_signal(signal.SIGCONT)
        self._users.wait()

    def answered(self) -> int:
        """How many were, once all turns are over. Raises TargetError when one was answered with
        anything but 200."""
        assert self._users.stdout
        told = self._users.stdout.read()
        answered = ANSWERED.findall(told)
        if not answered or "Non-2xx" in told or "Socket errors" in told:
            raise TargetError(f"{self.address}: {told.strip() or 'no answer'}")
        return int(answered[0])


@contextmanager
def scraped(plan: Plan) -> Iterator[None]:
    """Within it, where it has an exporter."""
    part, over = plan.metrics, threading.Event()
    if part is None:
        yield
        return

    def scrape(part: Metrics) -> None:
        while not over.wait(SCRAPE_SECONDS):
            exporter.scrape(part)

    thread = threading.Thread(target=scrape, args=(part,))
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def measure(stacks: tuple[Stack, Stack], blocks: int, seconds: int, at_least: float) -> int:
    """Print a line for each block; the exit status."""
    with scraped(stacks[0].plan), scraped(stacks[1].plan):
        for block in range(blocks):
            for stack in stacks:
                stack.renew()
            take_turns(stacks, seconds)
            print(*(f"{stack.rates()[block]:,.0f}" for stack in stacks), flush=True)
    for stack in stacks:
        print(stack.costs())
    told("by processor time", stacks[0].thrift(), stacks[1].thrift())
    return int(told("requests/s", stacks[0].rates(), stacks[1].rates()) < at_least)


def take_turns(stacks: tuple[Stack, Stack], seconds: int) -> None:
    """Measure a block, so many seconds of each stack."""
    rounds = round(seconds / TURN_SECONDS)
    length = 2 * rounds * (TURN_SECONDS + DRAIN_SECONDS) + 1
    before = [stack.used() for stack in stacks]
    with Load(stacks[0].address, length) as first, Load(stacks[1].address, length) as second:
        loads = (first, second)
        for turn in range(rounds):
            for load in loads if turn % 2 else reversed(loads):
                load.turn(TURN_SECONDS)
        time.sleep(max(0.0, second.over - time.monotonic()) + 1)
    for stack, load, used in zip(stacks, loads, before, strict=True):
        stack.blocks.append(Block(load.active, load.answered(), stack.used() - used))


def told(name: str, first: intervals.Blocks, second: intervals.Blocks) -> float:
    """Print their ratio; its lower bound. Raises InputError when there are too few blocks."""
    ratio = intervals.ratio(first, second, seed=1)
    if ratio is None or ratio.low is None:
        raise InputError(f"--blocks={len(first)}: an interval takes {intervals.FEWEST} at least.")
    print(f"{name}: {ratio.value:.3f} [{ratio.low:.3f}, {ratio.high:.3f}], {ratio.blocks} blocks")
    return ratio.low


def read(path: Path) -> Plan:
    """A running stack's. Raises InputError."""
    try:
        return Plan.model_validate_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: {error}. Name a stack's conf/plan.json.") from None


def main() -> int:
    """Measure the stacks that the command line names."""
    parser = argparse.ArgumentParser(description="requests/s of two running stacks in turns")
    parser.add_argument("first", type=Path, help="plan.json of a stack on this machine")
    parser.add_argument("second", type=Path, help="that of another")
    parser.add_argument("--page", default="/db")
    parser.add_argument("--blocks", type=int, default=10)
    parser.add_argument("--seconds", type=int, default=10, help="of each stack in a block")
    parser.add_argument("--at-least", type=float, default=0.0, help="for the lower bound")
    asked = parser.parse_args()
    if shutil.which("wrk") is None:
        raise InputError("wrk is missing: apt-get install wrk.")
    first, second = (
        Stack(plan, plan.site.url.rstrip("/") + asked.page)
        for plan in (read(asked.first), read(asked.second))
    )
    account.assume(first.plan.accounts.web)
    return measure((first, second), asked.blocks, asked.seconds, asked.at_least)


if __name__ == "__main__":
    sys.exit(program.status(main))
