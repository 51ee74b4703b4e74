"""Django's system checks of what belongs to this project itself: its keys of an alias, its plan,
where tests go.

`checks` has those of the catalogue; both are tagged `stack`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.apps import AppConfig
from django.core import checks

from pgstack.checks import TAG, hint, planned, project
from pgstack.db import guard
from pgstack.hazards.databases import ENGINES
from pgstack.planning import invariants
from pgstack.planning.plan import Plan

SEE = "See docs/database-backend.md."


@checks.register(TAG)
def aliases_are_set_up_for_the_pooler(
    app_configs: Sequence[AppConfig] | None = None,  # noqa: ARG001 - Django's interface
    **kwargs: Any,  # noqa: ARG001
) -> list[checks.CheckMessage]:
    """The keys of each pooled alias, then what the plan makes of them."""
    plan, messages = planned.plan(), []
    for name, alias in project.pooled_aliases().items():
        messages += [*_keys(name, alias, plan), *_life(name, alias), *_tests(name, alias)]
    return messages if plan is None else [*messages, *_plan(plan)]


def _keys(name: str, alias: Mapping[str, Any], plan: Plan | None) -> Iterator[checks.CheckMessage]:
    mode, patience = alias.get(guard.KEY), alias.get("PATIENCE_SECONDS", 0)
    if mode is not None and mode not in guard.MODES:
        yield checks.Error(
            f"DATABASES[{name!r}][{guard.KEY!r}] is {mode!r}.",
            hint=f"One of {', '.join(guard.MODES)}, or leave it out. {SEE}",
            id="stack.E101",
        )
    limit = plan.web.request_timeout if plan else float("inf")
    if not isinstance(patience, int | float) or not 0 <= patience < limit:
        yield checks.Error(
            f"DATABASES[{name!r}]['PATIENCE_SECONDS'] is {patience!r}.",
            hint=f"Seconds, fewer than the longest request (STACK_REQUEST_TIMEOUT). {SEE}",
            id="stack.E102",
        )


def _life(name: str, alias: Mapping[str, Any]) -> Iterator[checks.CheckMessage]:
    if planned.is_async() and alias.get("CONN_MAX_AGE", 0) != 0:
        yield checks.Warning(
            f"DATABASES[{name!r}] keeps connections (CONN_MAX_AGE), and the project is served by "
            f"ASGI: each thread "
            "that ever touched the database keeps one, and no request closes it.",
            hint="Serve it by WSGI, or set CONN_MAX_AGE to 0. See docs/hazards/H042.md.",
            id="stack.W103",
        )


def _tests(name: str, alias: Mapping[str, Any]) -> Iterator[checks.CheckMessage]:
    if alias.get("ENGINE") not in ENGINES or not project.has_direct():
        yield checks.Warning(
            f"DATABASES[{name!r}]: `manage.py test` would make its database through the pooler, "
            f"which serves none that "
            "it does not know.",
            hint=hint("H035"),
            id="stack.W035",
        )


def _plan(plan: Plan) -> Iterator[checks.CheckMessage]:
    for rule in invariants.check(plan):
        if not rule.holds:
            message = f"The plan is unsound: {rule.name}: {rule.arithmetic}."
            yield checks.Error(message, hint=rule.remedy, id="stack.E104")
    wanted, there = planned.backends_wanted(plan)
    if wanted > there:
        yield checks.Warning(
            f"With ATOMIC_REQUESTS all threads together can hold {wanted} backends, and the pool "
            f"has {there}.",
            hint=f"{hint('H040')} Or raise STACK_POOL_SIZE.",
            id="stack.W105",
        )
