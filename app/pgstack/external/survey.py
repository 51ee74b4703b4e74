"""An external PostgreSQL is asked before anything is planned; what it grants is part
of the plan."""

from __future__ import annotations

from pgstack.external import password
from pgstack.external.server import Server, answered, require_fit
from pgstack.planning import granted, state, targets
from pgstack.planning.config import StackConfig
from pgstack.planning.databases import Roles
from pgstack.planning.plan import Plan


def ask(config: StackConfig) -> Server | None:
    """What it says; None where PostgreSQL is the stack's own. Raises StackError."""
    place = config.external
    if place is None:
        return None
    password.require_authority(place)
    return answered(place, password.of_login(config))


def may_ask(config: StackConfig) -> bool:
    """Whether this process is given the password: of containers `configure` alone is."""
    file = config.database_password_file
    return file is None or not targets.of(config.target).image or file.exists()


def fresh_plan(server: Server | None) -> Plan:
    """The plan of the inputs, within what was granted. Raises StackError where it does not fit, or
    where the server is not fit for it."""
    if server is None:
        return state.fresh_plan()
    before = state.granted(state.inputs())
    plan = granted.plan(state.fresh_plan, before, server.granted.connections(Roles().app))
    require_fit(plan, server)
    return plan
