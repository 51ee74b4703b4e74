"""Proof that the running stack is the one that was planned: each check asks the live servers."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial

import django.db
import psycopg2

from pgstack.errors import StackError
from pgstack.live import account
from pgstack.live.probes import bounded
from pgstack.live.verify import access, apart, behaviour, served, settings
from pgstack.live.verify.finding import Finding, Outcome
from pgstack.live.verify.live import Live, Untried
from pgstack.planning.plan import Plan

CHECKS: dict[str, Callable[[Live], Outcome]] = {
    "plan is sound": settings.soundness,
    "files are as rendered": settings.files,
    "pages are intact": behaviour.intact,
    "PostgreSQL runs the plan": settings.postgres_settings,
    "database sorts as planned": settings.sorting,
    "roles have their settings": settings.role_settings,
    "PgBouncer runs the plan": settings.pooler_settings,
    "processes and threads": behaviour.daemons,
    "servers read their files": settings.loaded,
    "front page answers": behaviour.front_page,
    "requests use PgBouncer": behaviour.through_pooler,
    "clients share backends": behaviour.shared_backends,
    "timeouts are in order": settings.timeouts,
    "web role cannot DDL": access.web_role,
    "direct alias can DDL": access.direct_role,
    "only Apache listens on TCP": access.listeners,
    "login rules are planned": access.login_rules,
    "logins are planned": access.own_logins,
}
"""In an order that names causes before consequences."""

LOCAL: dict[str, Callable[[Live], Outcome]] = {
    "no change was cut off": behaviour.finished,
    "no process is stopped": behaviour.running,
}
"""What a killed command or a signal leaves where the stack's processes can be seen."""

APART: dict[str, Callable[[Live], Outcome]] = {
    "connections are encrypted": apart.encrypted,
    "certificate is ours": apart.certified,
}
"""Where PostgreSQL is on another host."""

SERVED: dict[str, Callable[[Live], Outcome]] = {"certificate has time left": served.valid}
"""Where Apache speaks TLS."""

STRANGERS = "strangers are refused"


def verify(plan: Plan, found: Sequence[Finding] = ()) -> list[Finding]:
    """Every check. As root, tries the sockets as a stranger and then becomes the account that
    deploys, for good.

    `found` is what strangers have found already, where root runs nothing of a project. Never raises
    for a broken stack, and waits for no server longer than the probes' limits.
    """
    with bounded.waits():
        strangers = (
            _together(found) if found else _finding(STRANGERS, partial(access.strangers, plan))
        )
        account.assume(plan.accounts.deploy)
        live = Live(plan)
        checks = (
            CHECKS
            | (APART if plan.part == "web" else {})
            | (LOCAL if plan.target == "local" else {})
        )
        checks |= SERVED if plan.site.tls != "off" else {}
        return [
            *(_finding(name, partial(check, live)) for name, check in checks.items()),
            strangers,
        ]


def verify_as_stranger(plan: Plan) -> list[Finding]:
    """That this account is refused everywhere. Raises StackError when the plan knows it."""
    name = pwd.getpwuid(os.geteuid()).pw_name
    if name in plan.accounts.model_dump().values():
        raise StackError(
            f"--stranger: the plan knows {name}. Run it as an account that it does not know."
        )
    with bounded.waits():
        return [_finding(STRANGERS, partial(access.stranger, plan))]


def _together(found: Sequence[Finding]) -> Finding:
    """One finding of several strangers': it holds when all do."""
    worst = next((one for one in found if one.holds is not True), found[0])
    return replace(worst, found="; ".join(dict.fromkeys(one.found for one in found)))


def _finding(name: str, check: Callable[[], Outcome]) -> Finding:
    try:
        outcome = check()
    except Untried as error:
        outcome = Outcome(None, f"not tried: {error}")
    except (StackError, OSError, psycopg2.Error, django.db.Error) as error:
        outcome = Outcome(
            False, str(error).strip(), "See `make status`; start it again with `make down up`."
        )
    return Finding(name, **asdict(outcome))
