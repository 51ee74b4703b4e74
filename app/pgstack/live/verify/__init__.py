"""Proof that the running stack is the one that was planned: each check asks the live servers."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial

import django.db
import psycopg2

from pgstack.errors import StackError
from pgstack.live import account
from pgstack.live.probes import bounded
from pgstack.live.verify import (
    access,
    apart,
    behaviour,
    cluster,
    external,
    lanes,
    metrics,
    observability,
    replicas,
    schedule,
    served,
    settings,
    valkey,
    workers,
)
from pgstack.live.verify.finding import Finding, Outcome
from pgstack.live.verify.live import CheckSkipped, Live
from pgstack.planning import targets
from pgstack.planning.plan import Plan


def _everywhere(_: Plan) -> bool:
    return True


def _far(plan: Plan) -> bool:
    return "postgres" not in plan.services


def _ours(plan: Plan) -> bool:
    return plan.external is None


def _others(plan: Plan) -> bool:
    return plan.external is not None


def _elects(plan: Plan) -> bool:
    return plan.cluster is not None


def _has_valkey(plan: Plan) -> bool:
    return plan.valkey is not None


def _sees_processes(plan: Plan) -> bool:
    return targets.of(plan.target).sees_processes


def _has_sessions(plan: Plan) -> bool:
    return plan.background is not None and not plan.apart


@dataclass(frozen=True)
class Check:
    """What is proven, how, and for which plans."""

    name: str
    ask: Callable[[Live], Outcome]
    where: Callable[[Plan], bool] = _everywhere


CHECKS = (
    Check("plan is sound", settings.soundness),
    Check("files are as rendered", settings.files),
    Check("pages are intact", behaviour.intact),
    Check("PostgreSQL runs the plan", settings.postgres_settings, _ours),
    Check("database sorts as planned", settings.sorting, _ours),
    Check("extensions are there", settings.extensions, lambda plan: bool(plan.postgres.extensions)),
    Check("roles have their settings", settings.role_settings),
    Check("PgBouncer runs the plan", settings.pooler_settings),
    Check("processes and threads", behaviour.daemons),
    Check("servers read their files", settings.loaded),
    Check("lanes have their own pages", lanes.routed, lambda plan: bool(plan.lanes)),
    Check("lanes have their own pool", lanes.pooled, lambda plan: bool(plan.lanes)),
    Check("reads lead to a standby", replicas.led, lambda plan: plan.replicas is not None),
    Check("front page answers", behaviour.front_page),
    Check("requests use PgBouncer", behaviour.through_pooler),
    Check("clients share backends", behaviour.shared_backends),
    Check("timeouts are in order", settings.timeouts),
    Check("web role cannot DDL", access.web_role),
    Check("direct alias can DDL", access.direct_role),
    Check("only Apache listens on TCP", access.listeners),
    Check("login rules are planned", access.login_rules, _ours),
    Check("logins are planned", access.own_logins),
    Check("workers run as planned", workers.running, lambda plan: bool(plan.workers)),
    Check("commands are scheduled", schedule.followed, lambda plan: bool(plan.schedule)),
    Check("sessions of workers are few", access.worker_role, _has_sessions),
    Check("workers have their own pool", workers.pooled, lambda plan: bool(plan.background)),
    Check("Valkey runs the plan", valkey.settings, _has_valkey),
    Check("Valkey obeys no client", valkey.closed, _has_valkey),
    Check("exporter sees everything", metrics.answers, lambda plan: plan.metrics is not None),
    Check(
        "Prometheus watches everything",
        observability.watches,
        lambda plan: plan.observability is not None,
    ),
    # Where several hosts elect the one that takes writes.
    Check("one member leads", cluster.elected, _elects),
    Check("PgBouncer is led there", cluster.led, _elects),
    Check("clocks agree", cluster.clocks, _elects),
    # Where PostgreSQL is on another host.
    Check("connections are encrypted", apart.encrypted, _far),
    Check("certificate is ours", apart.certified, lambda plan: _far(plan) and _ours(plan)),
    # Where it is somebody else's.
    Check("server grants what is needed", external.granted, _others),
    Check("roles have their rights", external.rights, _others),
    Check("server shows its certificate", external.certified, _others),
    Check("what its administrator knows", external.unproven, _others),
    # What a killed command or a signal leaves.
    Check("no change was cut off", behaviour.finished, _sees_processes),
    Check("no process is stopped", behaviour.running, _sees_processes),
    Check("certificate has time left", served.valid, lambda plan: plan.site.tls != "off"),
)
"""In an order that names causes before consequences."""

STRANGERS = "strangers are refused"


def verify(plan: Plan, of_strangers: Sequence[Finding] = ()) -> list[Finding]:
    """Every check. As root, tries the sockets as a stranger and then becomes the account that
    deploys, for good.

    `of_strangers` is what strangers have found already, where root runs nothing of a project. Never
    raises for a broken stack, and waits for no server longer than the probes' limits.
    """
    with bounded.waits():
        strangers = (
            _together(of_strangers)
            if of_strangers
            else _finding(STRANGERS, partial(access.strangers, plan))
        )
        account.assume(plan.accounts.deploy)
        live = Live(plan)
        checks = [check for check in CHECKS if check.where(plan)]
        return [
            *(_finding(check.name, partial(check.ask, live)) for check in checks),
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


def _together(findings: Sequence[Finding]) -> Finding:
    """One finding of several strangers': it holds when all do."""
    worst = next((finding for finding in findings if finding.holds is not True), findings[0])
    return replace(worst, detail="; ".join(dict.fromkeys(finding.detail for finding in findings)))


def _finding(name: str, check: Callable[[], Outcome]) -> Finding:
    try:
        outcome = check()
    except CheckSkipped as error:
        outcome = Outcome(None, f"not tried: {error}")
    except (StackError, OSError, psycopg2.Error, django.db.Error) as error:
        outcome = Outcome(
            False, str(error).strip(), "See `make status`; start it again with `make down up`."
        )
    return Finding(name, **asdict(outcome))
