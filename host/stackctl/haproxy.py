"""HAProxy: a process with what is wanted takes over the sockets of the one before, which ends with
its last connection."""

from __future__ import annotations

from pathlib import Path

from pgstack.errors import ProbeError
from pgstack.live.probes import haproxy
from pgstack.planning import services
from pgstack.planning.balancing import Balancing

from . import safe, system
from .line import Line
from .safe import StackctlError
from .stack import Stack
from .system import UNITS

ACCOUNT = "haproxy"
"""of Debian's package; its sockets are that account's"""
PROGRAM = "/usr/sbin/haproxy"
START_SECONDS = 10
ANSWER_SECONDS = 2
NUMBER = "Pid: "
"""begins the line of `show info` with the number of the process that answers"""


def unit(stack: Stack) -> str:
    """Name of its unit."""
    return services.unit(stack, "haproxy.service")


def part(stack: Stack) -> Balancing:
    """The balancers of which this host is one. Raises StackctlError on any other."""
    if stack.balancing is None or not stack.balancing.member:
        raise StackctlError("this host is no balancer, so there is nothing to do here.")
    return stack.balancing


def apply(stack: Stack, again: bool = False) -> str:
    """Try what is wanted and bring it into force, or with `again` replace the process; returns what
    was done. Raises StackctlError; what ran before runs on then."""
    wanted = system.planned_files(stack.conf / "haproxy", UNITS / unit(stack))
    before = safe.contents(stack.live("haproxy"))
    running = system.active(unit(stack))
    if running and not again and wanted == before:
        return "unchanged"
    _try(stack)
    system.fill(stack.live("haproxy"), wanted)
    system.require("systemctl", "enable", "--quiet", unit(stack))
    if running and not again and wanted["unit"] == before.get("unit"):
        return _reload(stack)
    system.stop(unit(stack))
    system.start(unit(stack))
    if not system.wait(lambda: not trouble(stack, ANSWER_SECONDS), START_SECONDS):
        raise StackctlError(f"{trouble(stack, ANSWER_SECONDS)}. See journalctl -u {unit(stack)}.")
    return "runs with the new configuration"


def _try(stack: Stack) -> None:
    done = system.run(PROGRAM, "-c", "-q", "-f", str(stack.conf / "haproxy" / "haproxy.cfg"))
    if done.returncode:
        raise StackctlError(
            f"HAProxy refuses the new configuration: {done.stderr.strip() or done.stdout.strip()}\n"
            "What ran before runs on."
        )


def _reload(stack: Stack) -> str:
    before = _process(stack)
    system.require("systemctl", "reload", unit(stack))
    if not system.wait(lambda: _process(stack) not in ("", before), START_SECONDS):
        raise StackctlError(
            "HAProxy runs on with its previous configuration: no process has taken over from "
            f"{before}. See journalctl -u {unit(stack)}."
        )
    return "another process took over"


def _process(stack: Stack) -> str:
    """Number of the process that answers; empty while none does."""
    try:
        lines = command(stack, "show info").splitlines()
    except ProbeError:
        return ""
    return next((line.removeprefix(NUMBER) for line in lines if line.startswith(NUMBER)), "")


def command(stack: Stack, words: str) -> str:
    """The answer to a command, asked where HAProxy's own account may ask. Raises ProbeError."""
    with system.file_access(ACCOUNT):
        return haproxy.ask(str(Path(part(stack).run, haproxy.ADMIN)), words, ANSWER_SECONDS)


def servers(stack: Stack, group: str = haproxy.READY) -> list[haproxy.Server]:
    """The web hosts, as this balancer sees them. Raises ProbeError."""
    with system.file_access(ACCOUNT):
        path = str(Path(part(stack).run, haproxy.ADMIN))
        return haproxy.servers(path, ANSWER_SECONDS, group)


def trouble(stack: Stack, seconds: float) -> str:
    """What is wrong with it; empty when it answers. What it says of web hosts is not its fault."""
    del seconds
    try:
        return "" if servers(stack) else "HAProxy: it knows no web host"
    except ProbeError as error:
        return str(error)


def report(stack: Stack) -> list[Line]:
    """A line for each web host behind this balancer; none on any other host."""
    if stack.balancing is None or not stack.balancing.member:
        return []
    try:
        return [_line(server) for server in servers(stack)]
    except ProbeError:
        return []  # its own line says so


def _line(server: haproxy.Server) -> Line:
    """Of one that is kept out on purpose nothing is wrong, but visitors wait for the others."""
    connections = f"{server.sessions} connections"
    if server.ready:
        return Line(server.name, f"ready, {connections}")
    if server.drained:
        return Line(server.name, f"drained, {connections}")
    remedy = (
        f"`stackctl status` on {server.name} says what does not work there; visitors are served "
        "by the other web hosts."
    )
    return Line(server.name, f"not ready ({server.seen})", good=False, remedy=remedy)
