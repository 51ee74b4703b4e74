"""What HAProxy of a balancer says of the web hosts behind it, and what it is told to do with
them."""

from __future__ import annotations

import csv
import io
import socket
from dataclasses import dataclass

from pgstack.errors import ProbeError

ADMIN, STATE = "admin.sock", "state.sock"
"""of who may change something, and of who may look"""
READY, ALIVE, PLAIN = "ready", "alive", "plain"
"""groups of the same web hosts: those that answer a page with a query, those that accept a
connection, and those of the port that leads to HTTPS"""
LIMIT = 1024**2
"""bytes of an answer"""
LOOKING = "* "
"""before what the last look has brought, while the next one is on its way"""
GOOD, AWAY = "UP", ("DRAIN", "MAINT")
"""begin the state of a server that gets connections, and of one that somebody keeps from that"""


@dataclass(frozen=True)
class Server:
    """A web host, as one balancer sees it."""

    name: str
    state: str
    """HAProxy's word: `UP`, `DOWN`, `DRAIN`, some with how many looks still differ"""
    sessions: int
    """connections that it has"""
    seen: str
    """what the last look at it has brought"""

    @property
    def ready(self) -> bool:
        """Whether it gets connections."""
        return self.state.startswith(GOOD)

    @property
    def drained(self) -> bool:
        """Whether it is kept out on purpose."""
        return self.state.startswith(AWAY)


def ask(path: str, words: str, seconds: float) -> str:
    """The answer to one command. Raises ProbeError."""
    answer = b""
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(seconds)
            client.connect(path)
            client.sendall(f"{words}\n".encode())
            while (part := client.recv(65536)) and len(answer) < LIMIT:
                answer += part
    except OSError as error:
        raise ProbeError(f"HAProxy: {path}: {error}") from None
    return answer.decode(errors="replace").strip()


def servers(path: str, seconds: float, group: str = READY) -> list[Server]:
    """The web hosts of a group, in their order. Raises ProbeError."""
    text = ask(path, f"show stat {group} 4 -1", seconds).removeprefix("# ")
    try:
        return [
            Server(
                row["svname"],
                row["status"],
                int(row["scur"] or 0),
                row["check_status"].removeprefix(LOOKING),
            )
            for row in csv.DictReader(io.StringIO(text))
        ]
    except (KeyError, ValueError) as error:
        raise ProbeError(f"HAProxy: not understood: {error}") from None
