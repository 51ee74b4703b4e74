"""The strategies for a project: which of them it can run under, and what of its own alias `default`
stays."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loadtest.lab.server import Strategy
from pgstack.hazards.databases import ENGINE, SPATIAL_ENGINE
from pgstack.overlay.databases import KEPT, KEPT_OPTIONS
from pgstack.planning.plan import Plan

DJANGOS = "django.db.backends.postgresql"
SPATIAL = {ENGINE: SPATIAL_ENGINE, DJANGOS: "django.contrib.gis.db.backends.postgis"}
"""backend → the same for GeoDjango"""
REPLACING = ("custom-backend", "sqlalchemy-pool")
"""strategies that are database backends of their own, on psycopg2"""


def as_the_projects(database: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """A strategy's alias with what the project's `own` says of transactions, time zone and the
    like. Raises RuntimeError for a backend that cannot take the place of the project's."""
    options = own.get("OPTIONS") or {}
    kept = {name: options[name] for name in KEPT_OPTIONS if name in options}
    changed = dict(database) | {name: own[name] for name in KEPT if name in own}
    changed["OPTIONS"] = {**database.get("OPTIONS", {}), **kept}
    if own["ENGINE"] == SPATIAL_ENGINE:
        changed["ENGINE"] = SPATIAL.get(database["ENGINE"], database["ENGINE"])
    if own["ENGINE"] not in (ENGINE, SPATIAL_ENGINE):
        raise RuntimeError(f"the project needs its own database backend, {own['ENGINE']}")
    return changed


def missing(strategy: Strategy, plan: Plan) -> str | None:
    """Why the project of `plan` cannot run under `strategy`; None when nothing is known against
    it."""
    if plan.project is None:
        return None
    if strategy.driver == "mysql":
        return "the project's rows are PostgreSQL's, and its code may need what only that has"
    if strategy.page:
        return f"it is about {strategy.page}, a page of the demo"
    if strategy.name in REPLACING and "postgis" in plan.postgres.extensions:
        return "it replaces the database backend, and the project needs that of GeoDjango"
    if strategy.name in REPLACING and _has_psycopg3(plan):
        return (
            "it replaces the database backend by one on psycopg2, and the project runs on psycopg 3"
        )
    return None


def _has_psycopg3(plan: Plan) -> bool:
    return any(Path(plan.paths.venv).glob("lib/python3*/site-packages/psycopg"))
