"""Requests per second to expect of more cores than this machine has, by a simulation of the queues
with measured service times; a table for docs/scale.md.

    .venv/bin/python loadtest/studies/scale.py
    .venv/bin/python loadtest/studies/scale.py --cores 2 --generator 220

A request takes a core for Apache, then one of its web process (a thread at a time: the GIL), one of
its PgBouncer (one thread), a backend of that one's pool, and all of it back. `--generator` is the
CPU of whoever asks, where it shares the cores. What is not in it: locks within PostgreSQL and
Apache, caches that processes push each other out of, memory on the other socket, the network, and
waits for a disk. All of them make it slower.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(CHECKOUT), str(CHECKOUT / "app")]

from rich.console import Console  # noqa: E402 - the path comes first
from rich.table import Table  # noqa: E402

from loadtest.studies import simulated  # noqa: E402
from loadtest.studies.simulated import Result, Site, Times  # noqa: E402
from pgstack.planning.config import StackConfig  # noqa: E402
from pgstack.planning.hardware import Hardware  # noqa: E402
from pgstack.planning.sizing import plan  # noqa: E402

MEASURED = Times(apache=151, python=531, pooler=28, database=74)
"""µs of CPU of a request to /db (docs/results.md, "Why HTTP takes as long as it does")"""
SIZES = (2, 4, 8, 16, 32, 64, 128)
GB_PER_CORE = 4
DEBIAN = 12
SHARE = 0.7
"""of capacity, for response times"""


@dataclass(frozen=True)
class Row:
    """What is expected of a size: with one PgBouncer, and with those that are planned."""

    cores: int
    poolers: int
    single: Result
    planned: Result
    p99: float
    """milliseconds at SHARE of capacity"""


def site(cores: int, hosts: int = 1, poolers: int | None = None, generator: float = 0.0) -> Site:
    """What is planned for web hosts of so many cores; with several, PostgreSQL is on one more."""
    config = StackConfig(web_hosts=hosts, poolers=poolers)
    planned = plan(config, Hardware(cores, GB_PER_CORE * cores * 1024**3, DEBIAN))
    return Site(
        hosts=hosts,
        cores=cores,
        processes=planned.web.processes,
        threads=planned.web.threads,
        pools=tuple(int(each.settings["default_pool_size"]) for each in planned.pooler.processes),
        apart=hosts > 1,
        generator=generator,
    )


def row(cores: int, generator: float) -> Row:
    """By two runs under as much load as can be, and one at a share of it."""
    planned = site(cores, generator=generator)
    most = simulated.closed(planned, MEASURED)
    single = simulated.closed(site(cores, poolers=1, generator=generator), MEASURED)
    calm = simulated.opened(planned, MEASURED, SHARE * most.rate)
    return Row(cores, len(planned.pools), single, most, calm.p99)


def table(rows: list[Row]) -> Table:
    """A line for each size."""
    names = ("cores", "PgBouncers", "r/s", "cores busy", "a PgBouncer busy", "bottleneck")
    shown = Table(*names, f"p99 at {SHARE:.0%}", "r/s with one", "cores busy", title="/db")
    for each in rows:
        shown.add_row(
            str(each.cores),
            str(each.poolers),
            f"{each.planned.rate:,.0f}",
            f"{each.planned.cores:.0%}",
            f"{each.planned.pooler:.0%}",
            each.planned.bottleneck,
            f"{each.p99:.1f} ms",
            f"{each.single.rate:,.0f}",
            f"{each.single.cores:.0%}",
        )
    return shown


def hosts(cores: int) -> Table:
    """Web hosts of that size beside a database host of the same size."""
    shown = Table(
        "web hosts", "r/s", "web cores busy", "database cores busy", title=f"{cores} cores"
    )
    for count in (1, 2, 3, 4):
        result = simulated.closed(site(cores, hosts=count), MEASURED)
        database = f"{result.database:.0%}" if count > 1 else "the same host"
        shown.add_row(str(count), f"{result.rate:,.0f}", f"{result.cores:.0%}", database)
    return shown


def main() -> None:
    """Parse, simulate, print."""
    parser = argparse.ArgumentParser(description="Requests per second to expect of more cores.")
    parser.add_argument("--cores", type=int, nargs="*", default=SIZES)
    parser.add_argument("--generator", type=float, default=0.0, metavar="US")
    parser.add_argument("--hosts", type=int, metavar="CORES", help="web hosts of so many cores")
    asked = parser.parse_args()
    console = Console(width=140)
    if asked.hosts:
        console.print(hosts(asked.hosts))
    else:
        console.print(table([row(cores, asked.generator) for cores in asked.cores]))


if __name__ == "__main__":
    main()
