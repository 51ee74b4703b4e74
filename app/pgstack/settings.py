"""Django settings that follow from the plan. Any project can use them in its settings module."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any

from pgstack.hazards.databases import ENGINE
from pgstack.planning import lanes, layout
from pgstack.planning.account_names import account_name
from pgstack.planning.background import APPLICATION, VARIABLE
from pgstack.planning.input_names import BUILDING
from pgstack.planning.lanes import Lane
from pgstack.planning.plan import Plan
from pgstack.planning.replicas import APPLICATION as APPLICATION_OF_READS
from pgstack.planning.replicas import Replicas
from pgstack.planning.state import current_plan
from pgstack.planning.valkey import CACHE

NO_SESSION = (
    "a worker has no session past PgBouncer where PostgreSQL is on another host (docs/workers.md). "
    "Use `default`: pg_advisory_xact_lock instead of a session's lock, polling instead of LISTEN."
)
ROUTER = "pgstack.db.router.ReplicaRouter"
NO_DATABASE = "/no-database-for-STACK_BUILD"
"""a directory of sockets that is not there; errors name it"""


def databases(engine: str = ENGINE) -> dict[str, dict[str, Any]]:
    """`default` through PgBouncer, `direct` straight to PostgreSQL, and `replica` where it is
    planned.

    `engine` is "pgstack.db.postgis" for GeoDjango.
    """
    plan = current_plan()
    worker = os.environ.get(VARIABLE) if plan.background else None
    lane = None if worker else lanes.own(plan.lanes)
    common = {
        "ENGINE": engine,
        "NAME": plan.postgres.database,
        "CONN_MAX_AGE": None,
    }
    pooled = {
        **common,
        "NAME": layout.own_database(plan),
        "HOST": database_host(plan.paths.run_pooler),
        "PORT": str(layout.own_port(plan)),
        "USER": layout.own_login(plan, plan.pooler.web_login),
        # A cursor on the server would be left behind on a backend that the next transaction does
        # not get.
        "DISABLE_SERVER_SIDE_CURSORS": True,
        "PATIENCE_SECONDS": _patience(plan, worker),
        # A login may wait for a backend as long as a query: PgBouncer cannot greet before it knows
        # the server.
        # While inputs without this lane come into force, PgBouncer is the first to forget it.
        **({"OTHERWISE": plan.postgres.database} if lane else {}),
        "OPTIONS": {
            "application_name": _name(worker, lane),
            "connect_timeout": plan.pooler.query_wait_timeout,
        },
    }
    direct = {
        **common,
        "HOST": database_host(plan.postgres.host),
        "PORT": str(plan.postgres.port),
        # A worker listens; the schema is not its own to change.
        "USER": plan.roles.worker if worker else plan.roles.owner,
        "CONN_MAX_AGE": 0,
        "OPTIONS": {"application_name": "direct", **plan.postgres.connection},
    }
    if worker and plan.apart:
        direct["REFUSED"] = NO_SESSION
    if plan.replicas is None:
        return {"default": pooled, "direct": direct}
    replica = _replica(pooled, plan, plan.replicas)
    return {"default": {**pooled, "NOTES_WRITES": True}, "direct": direct, "replica": replica}


def _replica(pooled: dict[str, Any], plan: Plan, part: Replicas) -> dict[str, Any]:
    """`default`, at the database of PgBouncer's that leads to a standby."""
    return {
        **pooled,
        "NAME": part.database,
        "OTHERWISE": plan.postgres.database,
        "READ_ONLY": True,
        "PINNED_SECONDS": part.pinned,
        "TEST": {"MIRROR": "default"},
        "OPTIONS": {**pooled["OPTIONS"], "application_name": APPLICATION_OF_READS},
    }


def database_routers() -> list[str]:
    """What sends marked reads to `replica`, where that is planned; before the project's own."""
    return [ROUTER] if current_plan().replicas else []


def _name(worker: str | None, lane: Lane | None) -> str:
    """What its connections say of themselves."""
    if worker:
        return f"{APPLICATION}{worker}"
    return f"{lanes.APPLICATION}{lane.name}" if lane else lanes.PAGES


def database_host(planned: str) -> str:
    """Where this process finds the database: nowhere, while it makes files for a release."""
    return NO_DATABASE if building() else planned


def building() -> bool:
    """Whether this process is a command of STACK_BUILD."""
    return BUILDING in os.environ


def _patience(plan: Plan, worker: str | None) -> int:
    """Seconds that a process waits for a database that is coming back."""
    if building():
        return 0
    return plan.background.patience if worker and plan.background else plan.web.patience


def caches() -> dict[str, dict[str, Any]]:
    """`default` in Valkey, which all processes share; Django's own, of one process, without it."""
    part = current_plan().valkey
    if part is None or building():
        return {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    return {
        "default": {
            "BACKEND": "pgstack.cache.Cache",
            "LOCATION": part.url(CACHE),
            # A server that hangs is noticed as late as one that is away.
            "OPTIONS": {
                **({"serializer": "pgstack.cache.NumbersOnly"} if _deploys() else {}),
                "patience": part.patience,
                "socket_timeout": part.patience,
                "socket_connect_timeout": part.patience,
            },
        }
    }


def _deploys() -> bool:
    """Whether this process is the account's that deploys, where pages have another."""
    who, user = current_plan().accounts, os.geteuid()
    return who.deploy != who.web and (user == 0 or account_name(user) == who.deploy)


def secret_key() -> str:
    """The key made at set-up, the first line of its file; before set-up one that lives as long as
    this process."""
    return _secret_keys()[0]


def secret_key_fallbacks() -> list[str]:
    """The keys before: further lines of that file. What they signed is still believed."""
    return _secret_keys()[1:]


def _secret_keys() -> list[str]:
    path = Path(current_plan().paths.secrets, layout.SECRET_KEY)
    try:
        return path.read_text().split()
    except FileNotFoundError:
        return [secrets.token_urlsafe(48)]


def allowed_hosts() -> list[str]:
    """The names that the site answers to."""
    return list(current_plan().site.hosts)


def project_root() -> Path:
    """Directory of the project: on a host that of the release which the process belongs to."""
    release = os.environ.get("STACK_RELEASE")
    return Path(release, "project") if release else Path(current_plan().paths.app)


def static_root() -> str:
    """Directory that `collectstatic` fills.

    Apache serves it. On a host each release has one of its own, and Apache serves the files of all
    of them.
    """
    release = os.environ.get("STACK_RELEASE")
    return f"{release}/static" if release else current_plan().paths.static


def media_root(*, public: bool) -> str:
    """Directory of what users upload; Apache serves what is public, at /media/."""
    return f"{current_plan().paths.media}/{'public' if public else 'private'}"


def origins() -> list[str]:
    """The site's own addresses, as a browser sends them in Origin; `*.` stands for every name below
    one."""
    site, scheme = current_plan().site, "https" if secure() else "http"
    usual = site.proxy or (scheme, site.port) in (("http", 80), ("https", 443))
    port = "" if usual else f":{site.port}"
    return [f"{scheme}://{'*' if host.startswith('.') else ''}{host}{port}" for host in site.hosts]


def hsts_seconds() -> int:
    """How long a browser may only come back over TLS, in seconds; 0 when nobody asked for that."""
    return current_plan().site.hsts


def tls() -> bool:
    """Whether Apache speaks TLS."""
    return current_plan().site.tls != "off"


def proxy() -> bool:
    """Whether a proxy in front of Apache ends TLS and says so in X-Forwarded-Proto."""
    return current_plan().site.proxy


def secure() -> bool:
    """Whether browsers reach the site over TLS."""
    return tls() or proxy()
