"""The timeouts of balancers: which must end before which."""

from __future__ import annotations

from collections.abc import Iterator

from pgstack.planning.inequalities import Invariant, ascending
from pgstack.planning.plan import Plan

GAP_SECONDS = 3.0
"""that a visitor waits at most when a web host or a balancer is lost"""


def check(plan: Plan) -> Iterator[Invariant]:
    """Every inequality of the balancers in `plan`; none without them."""
    part = plan.balancing
    if part is None:
        return
    yield ascending(
        "timeouts of a lost web host in s",
        {
            "look": part.inter,
            "connection": part.connect,
            "lost web host": part.lost_server,
            "gap": GAP_SECONDS,
        },
    )
    yield ascending(
        "timeouts of a lost balancer in s",
        {"advertisement": part.advert, "lost balancer": part.lost_balancer, "gap": GAP_SECONDS},
    )
    # A look that a lost host does not answer is not waited for as one that is held back.
    yield ascending(
        "timeouts of a look that a lost web host owes in s",
        {
            "lost web host": part.lost_server,
            "lost while it owes an answer": part.lost_answering,
            "answer to a look": part.check,
        },
    )
    # Requests that are held back are answered before their host counts as lost, and Apache before
    # the balancer ends a connection.
    yield ascending(
        "timeouts of a balancer's look in s",
        {
            "query_wait_timeout": plan.pooler.query_wait_timeout,
            "answer to a look": part.check,
            "request-timeout": plan.web.request_timeout,
        },
    )
    yield ascending(
        "timeouts of a balanced connection in s",
        {"Apache Timeout": plan.apache.timeout, "idle connection": part.idle},
    )
