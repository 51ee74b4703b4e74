"""Every trial as one line of CSV, for a spreadsheet."""

from __future__ import annotations

import csv
import io

from loadtest.lab import histograms
from loadtest.lab.costs import COMPONENTS
from loadtest.lab.model import Results, Trial

COLUMNS = (
    "purpose",
    "block",
    "label",
    "beside",
    "strategy",
    "kind",
    "page",
    "users",
    "offered_rate",
    "seconds",
    "requests",
    "rate",
    "failures",
    "unanswered",
    "p50_ms",
    "p95_ms",
    "p99_ms",
    "p999_ms",
    "corrected_p50_ms",
    "corrected_p99_ms",
    *(f"cpu_{name}_s" for name in COMPONENTS),
    "generator_cpu",
    "slowness",
    "backends",
    "sessions",
    "transactions",
    "logged",
    "void",
)


def text(results: Results) -> str:
    """The CSV, in the order of measuring; empty fields where nothing is known."""
    out = io.StringIO()
    table = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    table.writeheader()
    table.writerows(_row(trial) for trial in results.trials)
    return out.getvalue()


def _row(trial: Trial) -> dict[str, object]:
    times = histograms.percentiles(histograms.decode(trial.latency))
    corrected = (
        histograms.percentiles(histograms.decode(trial.corrected)) if trial.corrected else None
    )
    row: dict[str, object] = {
        "purpose": trial.purpose,
        "block": trial.block,
        "label": trial.label,
        "beside": trial.beside,
        "strategy": trial.strategy,
        "kind": trial.load.kind,
        "page": trial.load.page,
        "users": trial.load.users,
        "offered_rate": trial.load.rate,
        "seconds": round(trial.seconds, 3),
        "requests": trial.requests,
        "rate": round(trial.requests / trial.seconds, 2),
        "failures": trial.failures,
        "unanswered": trial.unanswered,
        "generator_cpu": round(trial.generator_cpu, 3),
        "backends": trial.backends,
        "slowness": None if trial.slowness is None else round(trial.slowness, 3),
        "sessions": trial.sessions,
        "transactions": trial.transactions,
        "logged": trial.logged,
        "void": "; ".join(trial.void),
    }
    if times:
        row |= {
            "p50_ms": times.p50,
            "p95_ms": times.p95,
            "p99_ms": times.p99,
            "p999_ms": times.p999,
        }
    if corrected:
        row |= {"corrected_p50_ms": corrected.p50, "corrected_p99_ms": corrected.p99}
    return row | {
        f"cpu_{name}_s": trial.cpu_seconds[name] for name in COMPONENTS if name in trial.cpu_seconds
    }
