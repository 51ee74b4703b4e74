"""Checks of an external PostgreSQL."""

from __future__ import annotations

from pgstack.external import findings, grants, statements
from pgstack.external.grants import Granted
from pgstack.live.probes import certificate
from pgstack.live.verify.apart import DAY, LEAST_DAYS
from pgstack.live.verify.finding import Outcome, judge
from pgstack.live.verify.live import Live
from pgstack.planning import targets
from pgstack.planning.grants import fits

ITS_OWN = (
    "its settings, and how its database sorts: they are not the plan's",
    "what everybody may do there: temporary tables, large objects",
)


def granted(live: Live) -> Outcome:
    """It grants as many connections as the plan needs, beside those that others hold now."""
    plan = live.plan
    now = _ask(live).connections(plan.roles.app)
    limits = list(fits(now, plan.pooled_connections, plan.postgres.direct_connections))
    texts = [f"{fit.needed} needed, {fit.granted} granted ({fit.arithmetic})" for fit in limits]
    wrong = [text for text, fit in zip(texts, limits, strict=True) if not fit.holds]
    return judge(wrong, "; ".join(texts), "Lower STACK_POOL_SIZE, or have the limit raised.")


def rights(live: Live) -> Outcome:
    """The stack's roles have the rights and settings that they need."""
    plan, said = live.plan, _ask(live)
    wrong = statements.missing(plan, said, plan.postgres.database)
    wrong += [
        f"the role {name} is a superuser" for name, role in said.roles.items() if role.superuser
    ]
    remedy = f"`{targets.of(plan.target).start}` makes them."
    return judge(wrong, f"{', '.join(said.roles)}: nothing is missing", remedy)


def certified(live: Live) -> Outcome:
    """Its certificate is of the authority that was named, names the host, and has time left."""
    days = int(certificate.seconds_left(live.plan) // DAY)
    detail = f"names {live.plan.postgres.server_name}, {days} days left"
    remedy = "The server's administrator has to renew it."
    return judge([detail] if days < LEAST_DAYS else [], detail, remedy)


def unproven(live: Live) -> Outcome:
    """What cannot be seen from outside of it."""
    where = f"unproven of {live.plan.postgres.host}"
    return Outcome(None, "; ".join(f"{where}: {text}" for text in (*findings.UNPROVABLE, *ITS_OWN)))


def _ask(live: Live) -> Granted:
    return grants.ask(live.monitor, live.plan.roles)
