"""Prometheus, Alertmanager and the node exporter."""

from __future__ import annotations

from pathlib import Path

from pgstack.planning.observability import Observability, Program, Receivers
from pgstack.planning.services import ALERTMANAGER, NODE_EXPORTER, PROMETHEUS
from pgstack.planning.sizing import metrics
from pgstack.planning.sizing.basis import Basis, Reasons
from pgstack.planning.sizing.scale import MB

FULL = "full"
HISTORY_DAYS, HISTORY_GB = 15, 1
SCRAPE_SECONDS = 15
"""for which the rules are made (observability/alerts.yml)"""
SOFT_PERCENT = 75
"""of a program's memory; the rest is for what Go's runtime does not count"""
STATE = "/var/lib/prometheus"
"""the packages' own"""
PORTS = {PROMETHEUS: 9090, ALERTMANAGER: 9093, NODE_EXPORTER: 9100}
"""the packages' own"""
READY = {PROMETHEUS: "/-/ready", ALERTMANAGER: "/-/ready", NODE_EXPORTER: "/"}
MEMORY = {PROMETHEUS: 160 * MB, ALERTMANAGER: 64 * MB, NODE_EXPORTER: 32 * MB}
"""limits: with their programs on the disk they had 83, 41 and 24 MB, without 33, 20 and 9
(docs/observability.md)"""
MOST_SAMPLES, MOST_QUERIES = 500_000, 4
"""most samples of a query in memory at a time, 16 bytes each, and most queries at a time; its
defaults are 50 million and 20, far beyond its memory, and every account of the machine may ask"""
LOOPBACK = ("127.", "localhost:", "[::1]:")
"""how the address of a mail server on this machine begins, which needs no TLS"""


def observability(basis: Basis) -> tuple[Observability | None, Reasons]:
    """As planned, None where nobody asked for it."""
    config = basis.config
    if config.observability != FULL:
        return None, {}
    planned = Observability(
        programs={name: _program(basis, name) for name in PORTS},
        socket=basis.target.observability_socket,
        scrape_seconds=SCRAPE_SECONDS,
        exporter=f"127.0.0.1:{config.metrics_port or metrics.PORT}",
        site=config.hosts[0],
        receivers=_receivers(basis),
    )
    sizes = " + ".join(f"{size // MB} MB {name}" for name, size in MEMORY.items())
    return planned, {"memory.observability": f"{sizes} (docs/observability.md)"}


def observability_bytes(part: Observability | None) -> int:
    """Memory of all of it, in bytes."""
    return sum(program.memory for program in part.programs.values()) if part else 0


def _program(basis: Basis, name: str) -> Program:
    files = basis.target.observability_files(name)
    own = {
        PROMETHEUS: (
            f"--config.file={files}/prometheus.yml",
            f"--storage.tsdb.path={STATE}/stack",
            f"--storage.tsdb.retention.time={HISTORY_DAYS}d",
            f"--storage.tsdb.retention.size={HISTORY_GB}GB",
            f"--query.max-samples={MOST_SAMPLES}",
            f"--query.max-concurrency={MOST_QUERIES}",
        ),
        ALERTMANAGER: (
            f"--config.file={files}/alertmanager.yml",
            f"--storage.path={STATE}/stack-alerts",
            # It has no others to agree with.
            "--cluster.listen-address=",
        ),
        # Nobody writes its texts, and units are what `status` looks at.
        NODE_EXPORTER: ("--no-collector.textfile", "--no-collector.systemd"),
    }
    return Program(
        words=(f"/usr/bin/{name}", f"--web.listen-address=127.0.0.1:{PORTS[name]}", *own[name]),
        port=PORTS[name],
        ready=READY[name],
        memory=MEMORY[name],
        soft_memory=MEMORY[name] * SOFT_PERCENT // 100,
    )


def _receivers(basis: Basis) -> Receivers:
    config = basis.config
    given: dict[str, Path | None] = {
        "password": config.alert_smtp_password_file,
        "webhook": config.alert_webhook_file,
        "watchdog": config.alert_watchdog_file,
    }
    smtp = config.alert_smtp or ""
    return Receivers.model_validate(
        {
            "mail": config.alert_mail or "",
            "sender": config.alert_from or f"stack@{config.hosts[0]}",
            "smtp": smtp,
            "smtp_tls": not smtp.startswith(LOOPBACK),
            "smtp_user": config.alert_smtp_user or "",
            "secrets": {name: path for name, path in given.items() if path},
        }
    )
