"""The plan that the settings' pooled aliases follow, for the system checks; a project of its own
making has none."""

from __future__ import annotations

from django.conf import settings

from pgstack.checks import project
from pgstack.errors import StackError
from pgstack.planning import state
from pgstack.planning.layout import version
from pgstack.planning.plan import Plan

PREPARED = "max_prepared_statements"
FOLLOWS_SINCE = (1, 22)
"""PgBouncer that carries prepared statements from backend to backend, DEALLOCATE included"""


def plan() -> Plan | None:
    """The rendered plan, where a pooled alias leads to its pooler; None where there is none that
    can be read."""
    try:
        rendered = state.rendered_plan()
    except StackError:
        return None
    hosts = {alias.get("HOST") for alias in project.pooled_aliases().values()}
    return rendered if rendered is not None and rendered.paths.run_pooler in hosts else None


def carries_prepared_statements() -> bool:
    """Whether the planned PgBouncer follows the driver's prepared statements."""
    rendered = plan()
    if rendered is None or PREPARED not in rendered.pooler.settings:
        return False
    return version(rendered.versions.pgbouncer) >= FOLLOWS_SINCE


def backends_wanted(rendered: Plan) -> tuple[int, int]:
    """Backends that all threads can hold at the same time, and how many there are."""
    aliases = [
        alias
        for alias in project.pooled_aliases().values()
        if alias.get("HOST") == rendered.paths.run_pooler
    ]
    each = sum(bool(alias.get("ATOMIC_REQUESTS")) for alias in aliases)
    threads = rendered.web.requests * rendered.web.hosts
    return threads * each, rendered.pooler.default_pool_size + rendered.pooler.reserve_pool_size


def is_async() -> bool:
    """Whether the project says that it is served by ASGI."""
    return bool(getattr(settings, "ASGI_APPLICATION", None))
