"""The web hosts behind a balancer, as its HAProxy sees them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pgstack.live.probes import haproxy
from pgstack.metrics.model import Sample, gauge
from pgstack.planning.balancing import Balancing

ANSWER_SECONDS = 1.5
READY = gauge("balancer_server_ready", "1 while a web host gets new connections.", "server")
DRAINED = gauge(
    "balancer_server_drained",
    "1 while it is kept from that on purpose (`stackctl drain`).",
    "server",
)
SESSIONS = gauge("balancer_server_connections", "Connections that it has from here.", "server")


def collect(part: Balancing) -> Iterator[Sample]:
    """Samples of all web hosts. Raises ProbeError."""
    for server in haproxy.servers(str(Path(part.run, haproxy.STATE)), ANSWER_SECONDS):
        yield from READY.of(server.ready, server.name)
        yield from DRAINED.of(server.drained, server.name)
        yield from SESSIONS.of(server.sessions, server.name)
