"""Straight to PostgreSQL: a new connection for each request, or one that is kept."""

from __future__ import annotations

from typing import Any

from loadtest.lab import services
from loadtest.lab.server import Strategy
from pgstack.planning.plan import Plan


def socket(plan: Plan, **options: Any) -> dict[str, Any]:
    """PostgreSQL's socket with peer authentication, as the web's role."""
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": plan.postgres.database,
        "USER": plan.roles.app,
        "HOST": plan.paths.run_postgres,
        "PORT": str(plan.postgres.port),
        "CONN_MAX_AGE": 0,
        "OPTIONS": {"application_name": "web"},
        **options,
    }


def tcp(plan: Plan) -> dict[str, Any]:
    """TCP with TLS and SCRAM, as Django and Debian set it up."""
    login = services.login(plan)
    options = {"application_name": "web", "sslmode": "require"}
    return socket(
        plan, HOST=login["host"], USER=login["user"], PASSWORD=login["password"], OPTIONS=options
    )


def unplug_close() -> None:
    """Take Django's close at the end of a request off its signals: the first answer that was
    given."""
    from django.core.signals import request_finished, request_started
    from django.db import close_old_connections

    for signal in (request_started, request_finished):
        if not signal.disconnect(close_old_connections):
            raise RuntimeError("Django does not close connections by these signals any more")


STRATEGIES = (
    Strategy(
        "reconnect-tcp",
        "Django as shipped: a new connection per request, TCP + TLS + SCRAM",
        tcp,
        (services.postgres_tcp,),
        "reconnects",
    ),
    Strategy(
        "reconnect-socket",
        "a new connection per request over the Unix socket, peer authentication",
        socket,
        (services.postgres,),
        "reconnects",
    ),
    Strategy(
        "persistent",
        "CONN_MAX_AGE=None, straight to PostgreSQL's socket",
        lambda plan: socket(plan, CONN_MAX_AGE=None),
        (services.postgres,),
        "keeps",
    ),
    Strategy(
        "patched-signal",
        "Django's close at the end of a request disconnected, straight to the socket",
        socket,
        (services.postgres,),
        "keeps",
        patch=unplug_close,
    ),
    Strategy(
        "no-query",
        "the page /plain, without a query: the ceiling of the web side",
        lambda plan: socket(plan, CONN_MAX_AGE=None),
        (services.postgres,),
        "none",
        page="/plain",
    ),
)
