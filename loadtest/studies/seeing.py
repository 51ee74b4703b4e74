"""What seeing costs a request: pg_stat_statements with auto_explain, and OpenTelemetry's spans.

    .venv/bin/python loadtest/studies/seeing.py --blocks 10

It makes two stacks of its own, as `make loadtest` does. One is as planned; the other takes turns of
half a second with it, in each block once without statement figures, once with a span for each
request and statement, once with spans for one request in a hundred, and once as planned as well. A
collector on the load's core takes the spans. Printed are CPU microseconds of a request, of the web
processes and of PostgreSQL, and the ratio to the stack as planned with its 95 % interval, for
which three blocks are the least.

Exit status 1: a trial is void, and counts for nothing. 2: a stack cannot be made here.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import metadata
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(CHECKOUT), str(CHECKOUT / "app")]

from rich.console import Console  # noqa: E402 - the path comes first
from rich.table import Table  # noqa: E402

from loadtest import program  # noqa: E402
from loadtest.lab import apache, course, design, gates, intervals, machine, paths, stack, trial  # noqa: E402
from loadtest.lab.changes import CHANGES  # noqa: E402
from loadtest.lab.model import TWIN, Load, Trial  # noqa: E402
from loadtest.lab.processes import pinned  # noqa: E402
from loadtest.lab.server import Strategy  # noqa: E402
from loadtest.lab.web import WebServer  # noqa: E402
from loadtest.lab.yardstick import Yardstick, best  # noqa: E402
from pgstack.errors import InputError, TargetError  # noqa: E402
from pgstack.metrics.server import served  # noqa: E402

PAGE, USERS, SEED = "/db", 16, 1
PLANNED, BARE, EVERY = "as-planned", "no-statements", "spans"
SAMPLED = {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.01"}
TRACED: Mapping[str, Mapping[str, str]] = {EVERY: {}, "spans-1%": SAMPLED}
"""label → variables of OpenTelemetry beside the collector's address"""
LABELS = (PLANNED, BARE, *TRACED)
LIBRARY = "opentelemetry-sdk"
COMPONENTS = {"python": "web processes", "database": "PostgreSQL"}
US = 1e6


class Collector(ThreadingHTTPServer):
    """Takes spans and forgets them."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Receiver)
        self.batches = 0

    @property
    def variables(self) -> dict[str, str]:
        """That name it."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self.server_address[1]}"}


class Receiver(BaseHTTPRequestHandler):
    """One batch."""

    def do_POST(self) -> None:
        """Read it."""
        assert isinstance(self.server, Collector)
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.batches += 1
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@dataclass
class Blocks:
    """CPU microseconds of a request in each block, of a label and of the stack as planned that took
    turns with it."""

    own: dict[int, float | None] = field(default_factory=dict)
    planned: dict[int, float | None] = field(default_factory=dict)


Costs = dict[str, dict[str, Blocks]]
"""label → component → blocks"""


def subject(label: str, collector: Collector) -> tuple[Strategy, WebServer]:
    """What runs under a label."""
    change = CHANGES[BARE if label == BARE else PLANNED]
    if label not in TRACED:
        return change.strategy, change.server
    service = apache.changed(environment={**collector.variables, **TRACED[label]})
    return change.strategy, replace(change.server, services=(service,))


def measure(blocks: int, seconds: float, console: Console) -> tuple[Costs, list[str]]:
    """The costs, and why trials are void. Raises StackError."""
    require_library()
    stack.become_account(course.RESULTS)
    cores, voids = machine.cores(shared=False), list[str]()
    costs: Costs = {label: {name: Blocks() for name in COMPONENTS} for label in LABELS}
    collector = Collector()
    with (
        stack.prepared(cores.stack, []) as first,
        stack.prepared(cores.stack, []) as second,
        pinned(cores.generator),
        served(collector),
    ):
        bench = trial.Bench(
            (first, second),
            cores,
            Yardstick(cores.stack, best(cores.stack), 0.0),
            lambda label: subject(label, collector),
            lambda _: PAGE,
            USERS,
        )
        load = Load(kind="closed", page=PAGE, users=USERS, seconds=seconds)
        for slot in design.blocks(LABELS, blocks, USERS, SEED, PLANNED):
            before = collector.batches
            own, planned = trial.run(bench, slot, load, SEED + slot.block, lambda _: None)
            require_spans(slot.name, collector.batches - before)
            reasons = [reason for made in (own, planned) for reason in gates.reasons(made, "keeps")]
            voids += [f"{slot.label}, block {slot.block + 1}: {reason}" for reason in reasons]
            add(costs[slot.name], slot.block, own, planned, counts=not reasons)
            console.print(f"block {slot.block + 1}: {slot.label}", highlight=False)
    return costs, voids


def add(blocks: dict[str, Blocks], block: int, own: Trial, planned: Trial, *, counts: bool) -> None:
    """What two trials that took turns spent on a request; None of those that do not count."""
    for name, cost in blocks.items():
        for into, made in ((cost.own, own), (cost.planned, planned)):
            into[block] = US * made.cpu_seconds[name] / made.requests if counts else None


def require_spans(label: str, batches: int) -> None:
    """Raise TargetError where spans are missing, or came without being asked for; of one request in
    a hundred a short trial may have none."""
    if (not batches and label == EVERY) or (batches and label not in TRACED):
        raise TargetError(f"{label}: {batches} batches of spans. See the error log of Apache.")


def require_library() -> None:
    """Raise InputError where OpenTelemetry is not among the lab's packages."""
    there = {each.name.lower() for each in metadata.distributions(path=[str(paths.PACKAGES)])}
    if LIBRARY not in there:
        raise InputError(f"{LIBRARY} is missing in {paths.PACKAGES}. `make install-dev` adds it.")


def report(costs: Costs) -> Table:
    """A row for each label; that of the stack as planned is its twin's."""
    table = Table("CPU µs of a request", title=f"{PAGE}, {USERS} users")
    for name in COMPONENTS.values():
        table.add_column(name, justify="right", no_wrap=True)
    for label, components in costs.items():
        row = label + (TWIN if label == PLANNED else "")
        table.add_row(row, *(shown(components[name]) for name in COMPONENTS))
    return table


def shown(blocks: Blocks) -> str:
    """Means of both, and their ratio with its interval."""
    ours, theirs = (intervals.mean(each, SEED) for each in (blocks.own, blocks.planned))
    ratio = intervals.ratio(blocks.own, blocks.planned, SEED)
    if not ours or not theirs or not ratio:
        return "–"
    reach = "" if ratio.low is None else f" [{ratio.low:.3f}, {ratio.high:.3f}]"
    return f"{ours.value:,.0f} ÷ {theirs.value:,.0f} = {ratio.value:.3f}{reach}"


def main() -> int:
    """Print the table and return the exit status."""
    parser = argparse.ArgumentParser(description="what seeing costs a request")
    parser.add_argument("--blocks", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each stack in a trial")
    asked = parser.parse_args()
    if asked.blocks < 1 or asked.seconds < 1:
        parser.error("--blocks and --seconds are 1 at least.")
    console = Console(width=120)
    costs, voids = measure(asked.blocks, asked.seconds, console)
    console.print(report(costs))
    for reason in voids:
        console.print(f"void      {reason}", markup=False, highlight=False)
    return int(bool(voids))


if __name__ == "__main__":
    sys.exit(program.status(main))
