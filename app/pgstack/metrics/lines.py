"""The lines of the page: how each is computed from two scrapes, and the planned limits that are
drawn beside them."""

from __future__ import annotations

from collections.abc import Iterable

from pgstack.metrics import apache, machine, planned, pooler, postgres, web
from pgstack.metrics.model import Metric
from pgstack.metrics.reading import Between, Reading

IDLE = ("idle in transaction", "idle in transaction (aborted)")
WINDOW = "$window"
"""stands in the expressions for the window, in seconds, before a step"""


def _rate(name: str, **labels: str) -> str:
    wanted = ", ".join(f'{label}="{value}"' for label, value in labels.items())
    return f"sum(rate({name}{{{wanted}}}[{WINDOW}]))"


def _most(metric: Metric) -> str:
    return f"max(max_over_time({metric.name}[{WINDOW}]))"


def _least(metric: Metric) -> str:
    return f"min(min_over_time({metric.name}[{WINDOW}]))"


def _quantile(share: float) -> str:
    buckets = f"{web.REQUEST.name}_bucket[{WINDOW}]"
    return f"histogram_quantile({share}, sum by (le) (rate({buckets})))"


def _sessions_of(state: str) -> str:
    counted = f'sum(max_over_time({postgres.BACKENDS.name}{{state=~"{state}"}}[{WINDOW}]))'
    # A state that no session is in has no sample.
    return f"{counted} or 0 * {_most(postgres.OLDEST)}"


def _pressure(resource: str) -> str:
    return f"clamp_max({_rate(machine.WAITED.name, resource=resource)}, 1)"


_WORKED, _ASKED = _rate(f"{web.APPLICATION.name}_sum"), _rate(f"{web.DATABASE.name}_sum")
_WAITED = f"({_rate(pooler.WAITED.name)} or vector(0))"
_LATE, _FAILED = _rate(web.LATE.name), _rate(web.RESPONSES.name, **{"class": "5xx"})
_BACKENDS = f"sum({planned.POOL.name}) + (sum({planned.RESERVE.name}) or vector(0))"
_LENT = f"clamp_max({_rate(pooler.IN_TRANSACTION.name)}, scalar({_BACKENDS}))"
_SERVERS = f'sum(max_over_time({pooler.SERVERS.name}{{state="active"}}[{WINDOW}]))'
EXPRESSIONS = {
    "requests": f"{_rate(web.RESPONSES.name)} + {_LATE}",
    "errors": f"{_FAILED} + {_LATE}",
    "p50": _quantile(0.5),
    "p95": _quantile(0.95),
    "p99": _quantile(0.99),
    "queue": _rate(f"{web.QUEUE.name}_sum"),
    "python": f"clamp_min({_WORKED} - {_ASKED}, 0)",
    "pool_wait": f"clamp_max({_WAITED}, scalar({_ASKED}))",
    "sql": f"clamp_min({_ASKED} - {_WAITED}, 0)",
    "workers": _most(apache.BUSY),
    "threads": f"sum(max_over_time({web.BUSY.name}[{WINDOW}]))",
    "pool": f"{_SERVERS} >= {_LENT} or {_LENT} or {_SERVERS}",
    "active": _sessions_of("active"),
    "idle_in_transaction": _sessions_of("idle in transaction.*"),
    "lock_waiters": _most(postgres.WAITERS),
    "oldest": _most(postgres.OLDEST),
    "cpu": f"clamp_max({_rate(machine.BUSY.name)} / sum({machine.CORES.name}), 1)",
    "memory": f"1 - {_least(machine.AVAILABLE)} / max({machine.MEMORY.name})",
    "pressure_cpu": _pressure("cpu"),
    "pressure_io": _pressure("io"),
    "pressure_memory": _pressure("memory"),
    "disk_free": _least(machine.FREE),
}
"""The lines by name. Prometheus computes from its scrapes what `point` computes from two of the
exporter's own: the mean over a window, and of gauges the largest (or smallest) value within it."""
NAMES = tuple(EXPRESSIONS)
MOMENTS: dict[str, tuple[Metric, str]] = {
    "deploy": (web.SINCE, "new web processes: a release, or a restart"),
    "plan": (planned.WRITTEN, "new plan"),
    "start": (postgres.COLUMNS["server"]["started"], "PostgreSQL started"),
}
"""events drawn as marks, by kind: the metric that says when it last happened, and its text"""
LIMITS: dict[str, Metric] = {
    "threads": planned.THREADS,
    "workers": planned.WORKERS,
    "queue_timeout": planned.QUEUE,
    "request_timeout": planned.REQUEST,
    "idle_in_transaction_timeout": planned.IDLE,
    "cores": machine.CORES,
    "memory": machine.MEMORY,
    "disk": machine.DISK,
}
"""numbers of the plan and of the machine"""


def limits(now: Reading) -> dict[str, float | None]:
    """The limits that are drawn beside the lines. All pools share one: the sum of their sizes."""
    planned_limits = {name: now.total(metric) for name, metric in LIMITS.items()}
    return {
        **planned_limits,
        "pool": now.total(planned.POOL),
        "reserve": now.total(planned.RESERVE),
    }


def point(between: Between) -> dict[str, float | None]:
    """A value for each line; None if it is unknown."""
    return {**_requests(between), **_where(between), **_full(between), **_machine(between)}


def _requests(between: Between) -> dict[str, float | None]:
    # A request without a thread is answered 504, and counted beside the others.
    late = between.rate(web.LATE) or 0.0
    asked, failed = between.rate(web.RESPONSES), between.rate(web.RESPONSES, **{"class": "5xx"})
    return {
        "requests": None if asked is None else asked + late,
        "errors": None if failed is None else failed + late,
        "p50": between.quantile(web.REQUEST, 0.5),
        "p95": between.quantile(web.REQUEST, 0.95),
        "p99": between.quantile(web.REQUEST, 0.99),
    }


def _where(between: Between) -> dict[str, float | None]:
    """Seconds that requests took, per second: the mean number of requests at a time."""
    worked, asked = between.sum_rate(web.APPLICATION), between.sum_rate(web.DATABASE)
    waited = between.rate(pooler.WAITED) or 0.0
    known = worked is not None and asked is not None
    return {
        "queue": between.sum_rate(web.QUEUE),
        "python": max(0.0, worked - asked) if known else None,  # type: ignore[operator]
        "pool_wait": min(waited, asked) if known else None,  # type: ignore[type-var]
        "sql": max(0.0, asked - waited) if known else None,  # type: ignore[operator]
    }


def _full(between: Between) -> dict[str, float | None]:
    now = between.now
    lent, most = between.rate(pooler.IN_TRANSACTION), now.total(planned.POOL)
    if lent is not None and most is not None:
        lent = min(lent, most + (now.total(planned.RESERVE) or 0.0))
    return {
        "workers": now.value(apache.BUSY),
        "threads": now.total(web.BUSY),
        # Short loans fall between two scrapes. Long ones are only counted once they end.
        "pool": _largest((now.total(pooler.SERVERS, state="active"), lent)),
        "active": _sessions(now, "active"),
        "idle_in_transaction": _sessions(now, *IDLE),
        "lock_waiters": now.value(postgres.WAITERS),
        "oldest": now.value(postgres.OLDEST),
    }


def _sessions(now: Reading, *states: str) -> float | None:
    """How many sessions are in one of these states. A state that none is in has no sample."""
    if now.value(postgres.OLDEST) is None:
        return None
    return _sum(now.total(postgres.BACKENDS, state=state) for state in states) or 0.0


def _machine(between: Between) -> dict[str, float | None]:
    now, busy = between.now, between.rate(machine.BUSY)
    cores, memory = now.value(machine.CORES), now.value(machine.MEMORY)
    free = now.value(machine.AVAILABLE)
    return {
        "cpu": _most_one(busy / cores) if busy is not None and cores else None,
        "memory": 1 - free / memory if free is not None and memory else None,
        "pressure_cpu": _most_one(between.rate(machine.WAITED, resource="cpu")),
        "pressure_io": _most_one(between.rate(machine.WAITED, resource="io")),
        "pressure_memory": _most_one(between.rate(machine.WAITED, resource="memory")),
        "disk_free": now.value(machine.FREE),
    }


def _most_one(share: float | None) -> float | None:
    """A share, capped at 1: clocks differ a little."""
    return None if share is None else min(1.0, share)


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _largest(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)
