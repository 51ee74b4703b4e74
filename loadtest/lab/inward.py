"""What the servers of a trial say of themselves, read as the exporter of a running stack reads
it."""

from __future__ import annotations

import time
from collections.abc import Iterator

from loadtest.lab.model import Inward
from pgstack.metrics import advised, lines, pooler, web
from pgstack.metrics.measured import AT_ONCE
from pgstack.metrics.model import Sample
from pgstack.metrics.reading import Between, Reading
from pgstack.planning.plan import Plan
from pgstack.serving import measured


def look(plan: Plan) -> Reading:
    """What the web processes and PgBouncer have counted so far; nothing where nobody measures."""
    return Reading(_samples(plan), time.time())


def _samples(plan: Plan) -> Iterator[Sample]:
    if plan.metrics:
        yield from web.collect(measured.read(plan))
        yield from pooler.collect(pooler.read(plan))


def between(first: Reading, last: Reading, plan: Plan) -> Inward | None:
    """Where the requests between two looks were; None where the web processes counted none."""
    point = lines.point(Between(first, last))
    requests, known = point["requests"], [point[name] for name in AT_ONCE]
    if not requests or None in known:
        return None
    each = {name: (point[name] or 0.0) / requests for name in (*AT_ONCE, "pool")}
    return Inward(
        **{name: each[name] for name in AT_ONCE},
        lent=each["pool"],
        p99=point["p99"],
        memory=last.largest(web.MEMORY),
        statements=tuple(advised.statements_of(plan)),
    )
