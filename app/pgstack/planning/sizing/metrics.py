"""The exporter of metrics."""

from __future__ import annotations

from pgstack.planning import names
from pgstack.planning.metrics import Metrics
from pgstack.planning.sizing.basis import Basis, Reasons
from pgstack.planning.sizing.scale import MB

BYTES = 40 * MB
"""of its process, after days of scrapes (docs/measurements.md)"""
CONNECTIONS = 1
"""it asks PostgreSQL one thing after the other"""
PORT = 8400
"""loopback port on a host, below those of Apache's instances"""


def metrics(basis: Basis) -> tuple[Metrics | None, Reasons]:
    """The exporter as planned, None where it is off."""
    if not observed(basis):
        return None, {}
    paths, units = basis.paths, basis.target.units
    planned = Metrics(
        socket=f"{paths.run_metrics}/metrics.sock",
        port=_port(basis) if units else 0,
        facts=f"/var/lib/{names.of(basis.config.name).prefix}-facts" if units else "",
        processes=paths.measures,
        connections=connections(basis),
    )
    return planned, {"memory.metrics": "one process (docs/measurements.md)"}


def _port(basis: Basis) -> int:
    """0, no port, on a host with several sites unless an input asks for one: pages of the other
    sites could read it too."""
    asked = basis.config.metrics_port
    return asked if asked is not None else 0 if basis.config.sites else PORT


def observed(basis: Basis) -> bool:
    """Whether there is one."""
    return basis.config.observability != "off"


def connections(basis: Basis) -> int:
    """Those at PostgreSQL; none at one of others, whose passwords only who deploys has."""
    has_password = basis.accounts.metrics == basis.accounts.deploy
    asks = has_password or not basis.config.database_url
    return CONNECTIONS if observed(basis) and asks else 0


def metrics_bytes(part: Metrics | None) -> int:
    """Memory of the exporter, in bytes."""
    return BYTES if part else 0
