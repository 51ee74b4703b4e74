"""`default` through PgBouncer and `direct` past it, in the place of the project's own `default`."""

from __future__ import annotations

from typing import Any

from pgstack import settings as stack
from pgstack.errors import InputError
from pgstack.hazards.databases import ENGINE, ENGINES, SPATIAL_ENGINE, TENANT_ENGINE
from pgstack.overlay.note import Note
from pgstack.planning import targets
from pgstack.planning.state import current_plan

POSTGRESQL = {"django.db.backends.postgresql", ENGINE}
SPATIAL = {
    "django.contrib.gis.db.backends.postgis",
    "django.contrib.gis.db.backends.spatialite",
    SPATIAL_ENGINE,
}
"""engines whose place `SPATIAL_ENGINE` takes"""
TENANTS = {"django_tenants.postgresql_backend", TENANT_ENGINE}
"""engines whose place `TENANT_ENGINE` takes"""
TENANTS_APP, BELOW = "django_tenants", "ORIGINAL_BACKEND"
"""its app, and its setting that names the backend below its own"""
GEODJANGO, POSTGIS = "django.contrib.gis", "postgis"
SQLITE = {"django.db.backends.sqlite3", "django.contrib.gis.db.backends.spatialite"}
OTHERS = {"", "django.db.backends.dummy", "django.db.backends.sqlite3"}
"""engines whose place PostgreSQL can take; models of any other may need what only it has"""
KEPT = ("ATOMIC_REQUESTS", "AUTOCOMMIT", "CONN_HEALTH_CHECKS", "TEST", "TIME_ZONE")
KEPT_BY_READS = ("CONN_HEALTH_CHECKS", "TIME_ZONE")
KEPT_OPTIONS = ("isolation_level", "server_side_binding", "cursor_factory")
LOST_OPTIONS = {
    "pool": "PgBouncer pools.",
    "options": "PgBouncer hands no options to backends. A migration sets them: ALTER DATABASE app "
    "SET …",
    "assume_role": "the role is the plan's, and SET ROLE would stay on a backend that others "
    "share.",
    "service": "the plan says where the database is.",
}
"""options that have a meaning which the stack does not keep"""


def overlay(own: dict[str, Any]) -> tuple[dict[str, Any], list[Note]]:
    """DATABASES: the plan's aliases, all others as they are, and the router of `replica`. Raises
    InputError for another engine's `default`."""
    aliases: dict[str, dict[str, Any]] = own.get("DATABASES") or {}
    default = aliases.get("default") or {}
    engine = default.get("ENGINE", "")
    if engine not in POSTGRESQL | SPATIAL | TENANTS | OTHERS:
        raise InputError(
            f"DATABASES['default']['ENGINE']={engine}: the overlay cannot replace it, for models "
            f"may need what this "
            "engine has and pgstack.db does not. Use django.db.backends.postgresql, or do not run "
            "this project here."
        )
    tenants = engine in TENANTS or TENANTS_APP in own.get("INSTALLED_APPS", ())
    taken = _engine_instead(own.get(BELOW, "") if tenants else engine, own)
    planned = stack.databases(TENANT_ENGINE if tenants else taken)
    if tenants and "replica" in planned:
        name = targets.of(current_plan().target).input("replicas")
        raise InputError(
            f"{name}=read: django-tenants chooses the tenant of `default` alone, and `replica` "
            "would answer for another. Leave it out."
        )
    planned["default"] |= {name: default[name] for name in KEPT if name in default}
    options = default.get("OPTIONS") or {}
    planned["default"]["OPTIONS"] |= {
        name: options[name] for name in KEPT_OPTIONS if name in options
    }
    if replica := planned.get("replica"):
        replica |= {name: default[name] for name in KEPT_BY_READS if name in default}
    settings = {"DATABASES": {**aliases, **planned}, **({BELOW: taken} if tenants else {})}
    if routers := stack.database_routers():
        settings["DATABASE_ROUTERS"] = [*routers, *own.get("DATABASE_ROUTERS", ())]
    return settings, [
        *_engine(engine, default),
        *_options(options),
        *_others(aliases),
    ]


def _engine_instead(engine: str, own: dict[str, Any]) -> str:
    """The engine that takes the place of the project's. Raises InputError where PostGIS is not
    there.

    An engine that an address gave (DATABASE_URL is the stack's) says nothing of GeoDjango; the
    installed apps do.
    """
    plan = current_plan()
    there = POSTGIS in plan.postgres.extensions
    if engine in SPATIAL and not there:
        name = targets.of(plan.target).input("extensions")
        raise InputError(
            f"DATABASES['default']['ENGINE']={engine}: the database has no PostGIS. Set "
            f"{name}={POSTGIS} (docs/extensions.md)."
        )
    spatial = engine in SPATIAL or (there and GEODJANGO in own.get("INSTALLED_APPS", ()))
    return SPATIAL_ENGINE if spatial else ENGINE


def _engine(engine: str, default: dict[str, Any]) -> list[Note]:
    if engine not in SQLITE:
        return []
    reason = f"the stack's PostgreSQL takes the place of SQLite's {default.get('NAME')}."
    return [
        Note(
            "DATABASES['default']",
            reason,
            "Rows in that file stay there: dumpdata and loaddata move them.",
        )
    ]


def _options(options: dict[str, Any]) -> list[Note]:
    return [
        Note(f"DATABASES['default']['OPTIONS'][{name!r}]", "left out:", reason)
        for name, reason in LOST_OPTIONS.items()
        if options.get(name)
    ]


def _others(aliases: dict[str, dict[str, Any]]) -> list[Note]:
    notes = [
        Note(
            f"DATABASES[{name!r}]",
            "it stays as it is:",
            "the stack neither runs nor verifies this database.",
        )
        for name in aliases
        if name not in stack.databases()
    ]
    if aliases.get("direct", {}).get("ENGINE", ENGINE) not in ENGINES:
        notes.append(
            Note(
                "DATABASES['direct']",
                "replaced: migrate uses this alias.",
                "Give yours another name.",
            )
        )
    if "replica" in aliases and "replica" in stack.databases():
        reason = "replaced: STACK_REPLICAS=read makes this alias."
        notes.append(Note("DATABASES['replica']", reason, "Give yours another name."))
    return notes
