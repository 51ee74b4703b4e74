"""What a plan says of the exporter of metrics (pgstack.metrics)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pgstack.planning.part import Part

FactName = Literal["backup", "drill", "verify"]


class Metrics(Part):
    """The exporter, which answers `GET /metrics` on a Unix socket, and on a host for a Prometheus
    that asks no sockets."""

    socket: str
    port: int
    """on the loopback address; 0: on the socket alone"""
    facts: str
    """directory of what root has found out (Fact); empty where root finds nothing out"""
    processes: str
    """directory of the files in which web processes measure (pgstack.serving.meter)"""
    connections: int
    """at PostgreSQL, past the pooler, for as long as it runs"""


class Fact(Part):
    """What root has found out, as a file: of the last backup, drill or verify."""

    moment: float
    """that it is of, in seconds since 1970"""
    passed: bool


def fact_file(part: Metrics, name: FactName) -> Path:
    """Where root writes it down."""
    return Path(part.facts, f"{name}.json")
