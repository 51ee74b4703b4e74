"""What a plan says of the exporter of metrics (pgstack.metrics)."""

from __future__ import annotations

from pgstack.planning.part import Part


class Metrics(Part):
    """The exporter, which answers `GET /metrics` on a Unix socket."""

    socket: str
    processes: str
    """directory of the files in which web processes measure (pgstack.serving.meter)"""
    connections: int
    """at PostgreSQL, past the pooler, for as long as it runs"""
