"""What a plan says of Prometheus, Alertmanager and the node exporter (STACK_OBSERVABILITY=full)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pgstack.planning.part import Part

LOOPBACK = "127.0.0.1"
SecretName = Literal["password", "webhook", "watchdog"]


class Program(Part):
    """One of them, which listens on the loopback address alone."""

    words: tuple[str, ...]
    """its command line"""
    port: int
    ready: str
    """path that answers 200 once it works"""
    memory: int
    """bytes that it may have"""
    soft_memory: int
    """bytes at which its runtime collects garbage more often (GOMEMLIMIT)"""

    @property
    def address(self) -> str:
        """Where it is asked."""
        return f"{LOOPBACK}:{self.port}"


class Receivers(Part):
    """Who is told of alerts. Empty: nobody, by this way."""

    mail: str
    """addresses, separated by commas"""
    sender: str
    smtp: str
    """HOST:PORT of the server that takes mail"""
    smtp_tls: bool
    """whether it has to speak TLS"""
    smtp_user: str
    secrets: dict[SecretName, Path]
    """files whose first line is the login's password, or the address of a webhook"""


class Observability(Part):
    """All of it."""

    programs: dict[str, Program]
    socket: str
    """where they are asked for the page and by verify, in a network of their own; empty where both
    are in theirs"""
    scrape_seconds: int
    exporter: str
    """HOST:PORT of the stack's own exporter"""
    site: str
    """name that alerts carry"""
    receivers: Receivers
