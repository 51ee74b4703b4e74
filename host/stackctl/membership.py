"""What a host of a cluster knows of it: its members, its etcd, and whom PgBouncer is led to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from pgstack.errors import ProbeError
from pgstack.live.probes import members
from pgstack.live.probes.etcd import Etcd
from pgstack.metrics import cluster as seen
from pgstack.planning import layout
from pgstack.planning.cluster import Cluster

from . import authority
from .line import Line
from .safe import StackctlError
from .stack import Stack

ANSWER_SECONDS = 2
Ask = Callable[[Cluster], Sequence[members.Member]]
SEE = "docs/cluster.md says what each of these is and what to do."


def part(stack: Stack) -> Cluster:
    """The cluster of this member. Raises StackctlError on any other host."""
    if stack.cluster is None or not stack.cluster.member:
        raise StackctlError("this host is no member of a cluster, so there is nothing to do here.")
    return stack.cluster


def elected(part: Cluster, ask: Ask) -> Line:
    """Who leads, who follows, and what is not as planned."""
    there = ask(part)
    wrong = [*members.faults(part, there)]
    return Line("members", "; ".join(wrong) or members.told(there), not wrong, remedy=SEE)


def led(part: Cluster) -> Line:
    """Whom PgBouncer is led to, and whether he leads."""
    name, first = seen.followed(part), members.leader(members.ask(part))
    good = first is not None and first.name == name
    read = seen.read_from(part)
    text = f"PgBouncer is led to {name or 'nobody'}" + (f", reads to {read}" if read else "")
    return Line("follower", text if good else f"{text}, which does not lead", good, remedy=SEE)


def decides(part: Cluster) -> Line:
    """Whether each member's etcd takes part in decisions."""
    silent = [name for name, address in part.members.items() if not _decides(part, address)]
    text = f"{', '.join(silent)}: no answer" if silent else f"{len(part.members)} members"
    return Line("etcd", text, not silent, remedy=SEE)


def way(part: Cluster, address: str) -> Etcd:
    """How root asks the etcd of a member."""
    files = layout.AUTHORITY, *(str(authority.DIRECTORY / f"etcd.{end}") for end in ("pem", "key"))
    return Etcd(address, part.client_port, ANSWER_SECONDS, *files)


def _decides(part: Cluster, address: str) -> bool:
    try:
        way(part, address).health()
    except ProbeError:
        return False
    return True


def report(stack: Stack, ask: Ask = members.ask) -> Iterator[Line]:
    """Lines of this host; none without a cluster."""
    if stack.cluster:
        yield elected(stack.cluster, ask)
        yield decides(stack.cluster) if stack.cluster.member else led(stack.cluster)
