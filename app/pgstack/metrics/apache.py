"""Apache's workers, by mod_status, and the certificate that it shows."""

from __future__ import annotations

import socket
import ssl
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection

from pgstack.errors import ProbeError
from pgstack.metrics.model import Sample, gauge
from pgstack.planning.plan import Plan

ANSWER_SECONDS = 1.5
LOCALLY = ("workers.invalid", "/?auto")
"""name and path where the site's own port answers (apache/site.conf.j2)"""
INSTANCE = "/stack/workers?auto"
"""path at the port of an instance"""
READY = "/readyz"
STATES = {
    "_": "idle",
    "S": "starting",
    "R": "reading",
    "W": "sending",
    "K": "keepalive",
    "D": "looking up",
    "C": "closing",
    "L": "logging",
    "G": "finishing",
    "I": "cleaning up",
    ".": "open",
}
"""what the signs of the scoreboard mean"""
WORKERS = gauge("apache_workers", "Apache's workers, by state.", "state")
BUSY = gauge("apache_busy_workers", "Apache's workers that are serving a connection.")
CONNECTIONS = gauge(
    "apache_connections", "Connections, including those that wait without a worker."
)
CHILDREN = gauge("apache_children", "Apache's child processes.")
ENDING = gauge("apache_ending_children", "Child processes that are ending and accept nothing new.")
UPTIME = gauge("apache_uptime_seconds", "Time since Apache started or last read its files.")

LINES = {
    "BusyWorkers": BUSY,
    "ConnsTotal": CONNECTIONS,
    "Processes": CHILDREN,
    "Stopping": ENDING,
    "ServerUptimeSeconds": UPTIME,
}


def read(plan: Plan) -> str:
    """What mod_status says; of a host's two instances the one that answers. Raises ProbeError."""
    if not plan.site.instance_ports:
        return _ask(_connection(plan), *LOCALLY)
    for port in plan.site.instance_ports.values():
        with suppress(ProbeError):
            connection = _plain("127.0.0.1", port)
            return _ask(connection, plan.site.hosts[0].lstrip("."), INSTANCE)
    raise ProbeError("no instance of Apache answers")


def ready(plan: Plan) -> list[Sample]:
    """Ask for /readyz as a visitor does. Raises ProbeError for any answer but 200."""
    name = plan.site.hosts[0].lstrip(".")
    _ask(_connection(plan, name), name, READY)
    return []


def _connection(plan: Plan, name: str | None = None) -> HTTPConnection:
    address = "127.0.0.1" if plan.site.address == "*" else plan.site.address.strip("[]")
    if plan.site.tls == "off":
        return _plain(address, plan.site.port)
    return _Tls(name, address, plan.site.port)


class _Tls(HTTPSConnection):
    """To an address, by a name of the site where it is to have one: Apache has a certificate for
    each."""

    def __init__(self, name: str | None, address: str, port: int) -> None:
        # The certificate may be self-signed, and nothing that is secret is sent.
        context = ssl._create_unverified_context()  # noqa: S323, SLF001
        super().__init__(address, port, timeout=ANSWER_SECONDS, context=context)
        self.name, self.context = name, context

    def connect(self) -> None:
        """As HTTPSConnection does."""
        plain = socket.create_connection((self.host, self.port), ANSWER_SECONDS)
        name = self.name and self.name.strip("[]")
        self.sock = self.context.wrap_socket(plain, server_hostname=name)


def _plain(address: str, port: int) -> HTTPConnection:
    return HTTPConnection(address, port, timeout=ANSWER_SECONDS)


def _ask(connection: HTTPConnection, name: str, path: str) -> str:
    try:
        with closing(connection):
            connection.request("GET", path, headers={"Host": name, "Connection": "close"})
            answer = connection.getresponse()
            text = answer.read().decode()
    except (OSError, HTTPException) as error:
        raise ProbeError(f"Apache: {error}") from error
    if answer.status != 200:
        raise ProbeError(f"Apache: status {answer.status} for {path}")
    return text


def collect(text: str) -> Iterator[Sample]:
    """Samples of what mod_status says (`?auto`)."""
    lines = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
    for name, metric in LINES.items():
        yield from metric.of(lines.get(name))
    if board := lines.get("Scoreboard"):
        counts = Counter(board)
        for sign, state in STATES.items():
            yield from WORKERS.of(counts[sign], state)
