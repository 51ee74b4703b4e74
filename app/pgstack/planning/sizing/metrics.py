"""The exporter of metrics."""

from __future__ import annotations

from pgstack.planning.metrics import Metrics
from pgstack.planning.sizing.basis import Basis, Reasons
from pgstack.planning.sizing.scale import MB

BYTES = 40 * MB
"""of its process, after days of scrapes (docs/measurements.md)"""
CONNECTIONS = 1
"""it asks PostgreSQL one thing after the other"""


def metrics(basis: Basis) -> tuple[Metrics | None, Reasons]:
    """The exporter as planned, None where nobody wants it or the target has none."""
    if not observed(basis):
        return None, {}
    paths = basis.paths
    planned = Metrics(
        socket=f"{paths.run_metrics}/metrics.sock",
        processes=paths.measures,
        connections=CONNECTIONS,
    )
    return planned, {"memory.metrics": "one process (docs/measurements.md)"}


def observed(basis: Basis) -> bool:
    """Whether the stack has an exporter."""
    return basis.target.observes and basis.config.observability != "off"


def metrics_bytes(part: Metrics | None) -> int:
    """Memory of the exporter, in bytes."""
    return BYTES if part else 0
