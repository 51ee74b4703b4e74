"""A PostgreSQL that is not the stack's is asked before anything is planned; what it grants is part
of the plan."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass

from pgstack.errors import InputError, UnsoundPlan
from pgstack.external import findings, grants, password
from pgstack.external.findings import FAILS
from pgstack.external.grants import Granted
from pgstack.planning import state, targets
from pgstack.planning.config import EXTERNAL, StackConfig
from pgstack.planning.database_url import DatabaseUrl
from pgstack.planning.grants import Grants, fits
from pgstack.planning.plan import Plan, Roles


@dataclass(frozen=True)
class Server:
    """Where it is, how its login gets in, and what it said."""

    place: DatabaseUrl
    password: str
    granted: Granted


def ask(config: StackConfig) -> Server | None:
    """What it says; None where PostgreSQL is the stack's own. Raises StackError."""
    place = config.external
    if place is None:
        return None
    password.require_authority(place)
    word = password.of_login(config)
    with closing(grants.reader(place, word)) as connection:
        granted = grants.ask(connection, Roles())
    version = findings.version(granted)
    if version.verdict == FAILS:
        raise InputError(f"{EXTERNAL}: {place.text}: {version.text}.")
    return Server(place, word, granted)


def may_ask(config: StackConfig) -> bool:
    """Whether this process is given the password: of containers `configure` alone is."""
    file = config.database_password_file
    return file is None or not targets.of(config.target).image or file.exists()


def fresh_plan(server: Server | None) -> Plan:
    """The plan of the inputs, within what was granted. Raises StackError where it does not fit, or
    where the server is not fit for it."""
    if server is None:
        return state.fresh_plan()
    now = server.granted.connections(Roles().app)
    for before in _before(now):
        with suppress(UnsoundPlan):
            if _holds(plan := state.fresh_plan(before), now):
                return _fit(plan, server)
    return _fit(state.fresh_plan(now), server)


def _before(now: Grants) -> Iterator[Grants]:
    """What was granted when the plan in force was made, where only others' connections have come or
    gone since: the plan stays as it is while it fits."""
    before = state.granted(state.inputs())
    if before and before.limits == now.limits:
        yield before


def _holds(plan: Plan, now: Grants) -> bool:
    limits = fits(now, plan.pooled_connections, plan.postgres.direct_connections)
    return all(fit.holds for fit in limits)


def _fit(plan: Plan, server: Server) -> Plan:
    """Raise InputError where something there is no ground to run on."""
    lines = findings.judge(plan, server.granted, named=True)
    if wrong := [line.text for line in lines if line.verdict == FAILS]:
        raise InputError(f"{EXTERNAL}: {server.place.text}: {'; '.join(wrong)}")
    return plan
