"""A plan within what an external PostgreSQL grants."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from pgstack.errors import UnsoundPlan
from pgstack.planning.grants import Grants, fits
from pgstack.planning.plan import Plan


def plan(planned: Callable[[Grants], Plan], before: Grants | None, now: Grants) -> Plan:
    """What `planned` gives for that server.

    Where only others' connections have come or gone since `before`, which is of the plan in force,
    the plan stays as it is while it fits. Raises StackError where nothing fits `now`.
    """
    if before and before.limits == now.limits:
        with suppress(UnsoundPlan):
            if _holds(same := planned(before), now):
                return same
    return planned(now)


def _holds(plan: Plan, now: Grants) -> bool:
    limits = fits(now, plan.pooled_connections, plan.postgres.direct_connections)
    return all(fit.holds for fit in limits)
