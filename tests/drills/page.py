"""docs/drills.md from the catalogue and the figures of one run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from drills.catalogue import Drill
from drills.load import PAUSE_SECONDS, USERS, Figures

PAGE = Path(__file__).resolve().parents[2] / "docs/drills.md"
HEAD = f"""# Drills

What faults do when they are injected on purpose, on the local target, while {USERS} users ask for pages and write into the
demo's ledger, each {PAUSE_SECONDS * 1000:.0f} ms after the previous answer. The figures are those of one run of each
drill on two cores, some of them beside other tests. As root,

    GOLDEN=write .venv/bin/python -m pytest -n0 tests/drills

repeats it and writes this page. Every write has a unique key and is looked up at the end. *Lost*: acknowledged but not
stored, which must not happen. *Failed but stored*: the answer was lost and the write was not; an idempotency key tells
the two apart. *Nobody*: the longest time in which no user got a good answer. Pages that hang or take memory are in a
copy of the demo that has such pages; memory runs out in a process that has a control group of its own with a limit; the
WAL that fills its disk is on a disk of 192 MB.

| drill | what is broken | failed / sent | nobody | lost | failed but stored | where it shows | what brings it back |
| --- | --- | --- | --- | --- | --- | --- | --- |
"""

TAIL = """
## What the local target puts right itself

A guard runs beside the servers and looks once a second; `log/guard.log` says what it did.

- A `make reload` that was killed: requests that it held back go on, and connections are kept open again. `make status`
  and `make verify` say what was left half done; `make reload` or `make up` finishes it.
- A `PAUSE` that somebody forgot: the guard resumes when a request has waited for half of `query_wait_timeout`, a sixth
  of `STACK_REQUEST_TIMEOUT` (5 s). An intended pause may last that long.
- A process that a signal has stopped continues after 5 s. A debugger's stop is of another kind and is left alone. When
  a stopped web process keeps the others from working, they continue it themselves, after a second, on every target.
- Apache's logs: a log of 10 MB is copied and emptied, and three copies are kept. Lines written in between are lost.

A server that ends is started again at once or, if it ran for less than a second, one second later, then two, and so on.
It is never given up; until it runs, `make status` says BACKOFF.

## What it does not put right

- `kill -9` of supervisord: the servers keep serving, but what dies afterwards stays dead. `make status` and `make
  verify` fail; `make up` starts everything under a new one.
- A corrupted page: `make status` and `make verify` fail from the first time that it is read until `SELECT
  pg_stat_reset()`. The remedy is a backup, or a repair of the table.
- A full WAL disk: `make status` fails as soon as there is no room for one more segment (16 MB). PostgreSQL stops when
  it needs one, and is started again and again until there is room.
- On Compose, a forgotten `PAUSE` and a stopped server: the service turns unhealthy within half a minute, and `make
  status TARGET=compose` fails at once.

## Not tried here

- Packets dropped between a web host and a database host: on this target everything is connected by Unix sockets.
- A clock that jumps by an hour. Containers share the machine's clock, and a time namespace has its own clock only for
  time since boot (`time_namespaces(7)`). libfaketime (0.9.10) fakes too much or too little: when time jumps,
  `time.monotonic()` jumps with it, and with `DONT_FAKE_MONOTONIC=1` Python's `time.sleep()` raises EINVAL. Such a drill
  would test libfaketime.
"""


def text(drills: list[Drill], figures: Mapping[str, Figures]) -> str:
    """The whole page."""
    return HEAD + "".join(_row(drill, figures[drill.name]) for drill in drills) + TAIL


def _row(drill: Drill, seen: Figures) -> str:
    cells = (
        drill.name,
        drill.broken,
        f"{seen.failed:,} / {seen.sent:,}",
        f"{seen.silence:.1f} s",
        str(seen.lost),
        str(seen.failed_but_stored),
        drill.told,
        drill.back,
    )
    return f"| {' | '.join(cells)} |\n"
