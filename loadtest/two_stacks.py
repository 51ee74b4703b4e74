"""Requests/s of two running stacks that take turns: what one of them costs more.

    .venv/bin/python loadtest/two_stacks.py .stack/conf/plan.json /tmp/other/conf/plan.json

asks each of them for PAGE from USERS kept connections for some seconds, in every block the other
one first, and prints both rates and, at the end, the rate of the first ÷ the second with its 95 %
interval, and CPU microseconds a request of each kind of process. A stack's exporter is scraped as
often as Prometheus does. Exit status 1 when the lower bound is below --at-least. It needs `wrk`.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(CHECKOUT), str(CHECKOUT / "app")]

from loadtest import program  # noqa: E402 - the path comes first
from loadtest.lab import intervals  # noqa: E402
from pgstack.errors import InputError, TargetError  # noqa: E402
from pgstack.live import account  # noqa: E402
from pgstack.live.probes import exporter  # noqa: E402
from pgstack.planning.metrics import Metrics  # noqa: E402
from pgstack.planning.plan import Plan  # noqa: E402

PAGE = "/db"
USERS = 16
WARM_SECONDS = 4
SCRAPE_SECONDS = 15
RATE = re.compile(r"Requests/sec:\s+(\S+)")
ANSWERED = re.compile(r"(\d+) requests in")


@dataclass
class Stack:
    """A running one: requests answered so far, and what it used for them."""

    plan: Plan
    answered: int = 0
    microseconds: Counter[str] = field(default_factory=Counter)
    """kind of process → CPU time"""

    @contextmanager
    def accounted(self) -> Iterator[None]:
        """Add what its processes use within it."""
        before = self._used()
        yield
        self.microseconds += self._used()
        self.microseconds -= before

    def _used(self) -> Counter[str]:
        top = psutil.Process(int(Path(self.plan.paths.root, "run/supervisord.pid").read_text()))
        used: Counter[str] = Counter()
        for process in top.children(recursive=True):
            with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                title = (process.cmdline() or [""])[0]
                kind = "python" if title.startswith("(wsgi:") else process.name()
                used[kind] += round(sum(process.cpu_times()[:4]) * 1e6)
        return used

    def costs(self) -> str:
        """Of a request."""
        each = (
            f"{kind} {used / self.answered:.1f}" for kind, used in self.microseconds.most_common()
        )
        return f"CPU µs a request: {', '.join(each)}"


def rate(stack: Stack, seconds: int) -> float:
    """Requests/s. Raises TargetError when one was answered with anything but 200."""
    plan = stack.plan
    address = plan.site.url.rstrip("/") + PAGE
    words = ["wrk", "--threads=1", f"--connections={USERS}", f"--duration={seconds}s", address]
    told = subprocess.run(words, capture_output=True, text=True, check=False).stdout
    rates = RATE.findall(told)
    if not rates or "Non-2xx" in told or "Socket errors" in told:
        raise TargetError(f"{address}: {told.strip() or 'no answer'}")
    stack.answered += int(ANSWERED.findall(told)[0])
    return float(rates[0])


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


def measure(plans: tuple[Plan, Plan], blocks: int, seconds: int, at_least: float) -> int:
    """Print a line for each block; the exit status."""
    stacks = Stack(plans[0]), Stack(plans[1])
    for stack in stacks:
        rate(stack, WARM_SECONDS)
        stack.answered = 0
    rates: tuple[dict[int, float | None], dict[int, float | None]] = ({}, {})
    with scraped(plans[0]), scraped(plans[1]):
        for block in range(blocks):
            for place in (0, 1) if block % 2 else (1, 0):
                with stacks[place].accounted():
                    rates[place][block] = rate(stacks[place], seconds)
            print(f"{rates[0][block]:,.0f} {rates[1][block]:,.0f}", flush=True)
    for stack in stacks:
        print(stack.costs())
    ratio = intervals.ratio(*rates, seed=1)
    if ratio is None or ratio.low is None:
        raise InputError(f"--blocks={blocks}: an interval takes {intervals.FEWEST} at least.")
    print(f"{ratio.value:.3f} [{ratio.low:.3f}, {ratio.high:.3f}], {ratio.blocks} blocks")
    return int(ratio.low < at_least)


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
    parser.add_argument("--blocks", type=int, default=10)
    parser.add_argument("--seconds", type=int, default=4, help="of each turn")
    parser.add_argument("--at-least", type=float, default=0.0, help="for the lower bound")
    asked = parser.parse_args()
    if shutil.which("wrk") is None:
        raise InputError("wrk is missing: apt-get install wrk.")
    plans = read(asked.first), read(asked.second)
    account.assume(plans[0].accounts.web)
    return measure(plans, asked.blocks, asked.seconds, asked.at_least)


if __name__ == "__main__":
    sys.exit(program.status(main))
