"""What a supervisord of the stack says: of the servers of the local target, and of workers."""

from __future__ import annotations

import socket
import xmlrpc.client
from collections.abc import Callable
from typing import Any, TypeVar

from supervisor.xmlrpc import SupervisorTransport, UnixStreamHTTPConnection

from pgstack.errors import TargetError
from pgstack.planning.plan import Plan

ANSWER_SECONDS = 5
"""it answers at once, except to a question to stop a server"""
RUNS_SECONDS = 2
"""A server that ends sooner has not started: it is started again one second later, then two, and so
on, and its state is BACKOFF meanwhile. One that ends later is started again at once. supervisord
may notice an end a second late, so what counted after one second might never have run."""
Answer = TypeVar("Answer")


class _Connection(UnixStreamHTTPConnection):  # type: ignore[misc]
    """To supervisord's socket, with an end to every wait."""

    def __init__(self, path: str, seconds: float) -> None:
        super().__init__("localhost")
        self.path, self.seconds = path, seconds

    def connect(self) -> None:
        """Connect to the socket, as HTTPConnection does to a port."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.seconds)
        self.sock.connect(self.path)


def socket_path(plan: Plan) -> str:
    """Path of the socket that supervisord listens on."""
    return f"{plan.paths.run_workers}/supervisor.sock"


def call(plan: Plan, seconds: float = ANSWER_SECONDS) -> Any:
    """supervisord's procedures (XML-RPC), each answered within `seconds`.

    A call raises OSError, xmlrpc.client.Fault or http.client.HTTPException.
    """
    path = socket_path(plan)
    transport = SupervisorTransport(None, None, f"unix://{path}")
    transport._get_connection = lambda: _Connection(path, seconds)  # noqa: SLF001 - it has no other way to bound a wait
    return xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport).supervisor


def ask(plan: Plan, question: Callable[[Any], Answer]) -> Answer | None:
    """What it answers; None when it does not run. Raises TargetError when it runs and says
    nothing."""
    try:
        return question(call(plan))
    except TimeoutError:
        raise TargetError(
            f"supervisord: no answer within {ANSWER_SECONDS} s. It is stopped or hangs: see the "
            f"process that {plan.paths.run_workers}/supervisord.pid names; `kill -CONT` lets a "
            "stopped one go on."
        ) from None
    except (OSError, xmlrpc.client.Error):
        return None


def rows(plan: Plan) -> list[dict[str, Any]] | None:
    """What it says of each program; None when it does not run."""
    answer = ask(plan, lambda supervisor: supervisor.getAllProcessInfo())
    return None if answer is None else list(answer)


def states(plan: Plan) -> dict[str, str] | None:
    """State of each program by name; None when it does not run."""
    programs = rows(plan)
    return None if programs is None else {row["name"]: _state(row) for row in programs}


def _state(row: dict[str, Any]) -> str:
    """A worker runs as a server does, however much later it counts as one that has started."""
    if row["statename"] == "STARTING" and row["now"] - row["start"] >= RUNS_SECONDS:
        return "RUNNING"
    return str(row["statename"])
