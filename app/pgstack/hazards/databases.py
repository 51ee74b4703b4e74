"""Hazards of an entry of Django's DATABASES: one rule for the audit and for the system checks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

ENGINE = "pgstack.db"
SPATIAL_ENGINE = "pgstack.db.postgis"
TENANT_ENGINE = "pgstack.db.tenants"
ENGINES = (ENGINE, SPATIAL_ENGINE, TENANT_ENGINE)
"""the stack's own: plain, for GeoDjango, for django-tenants"""
POSTGRESQL = ("postgresql", "postgis", "psqlextra", "timescale", ENGINE, "cockroach")
"""parts of the names of the engines that speak to PostgreSQL"""
SCHEMA_ENGINES = ("django_tenants", "tenant_schemas", "django_pgschemas")
"""packages whose engines set search_path for the session"""


class Unknown:
    """A value that is not known."""


UNKNOWN = Unknown()
MERGED = "**"
"""key of a dictionary that takes more from elsewhere"""


def is_postgresql(alias: Mapping[str, Any]) -> bool:
    """Whether the alias speaks to PostgreSQL."""
    engine = alias.get("ENGINE", "")
    return isinstance(engine, str) and any(
        part in engine for part in (*POSTGRESQL, *SCHEMA_ENGINES)
    )


def hazards_of(alias: Mapping[str, Any], time_zone: Any = UNKNOWN) -> Iterator[tuple[str, str]]:
    """Ids of the hazards of a pooled alias, and the setting that shows each.

    `time_zone` is what the connection uses: the alias's TIME_ZONE, else UTC with USE_TZ, else the
    project's. Values that are UNKNOWN show nothing, and nothing is missing from what takes more
    from elsewhere.
    """
    options = alias.get("OPTIONS") or {}
    partial = isinstance(options, Unknown) or MERGED in alias
    if not partial and alias.get("DISABLE_SERVER_SIDE_CURSORS", False) is False:
        for hazard in ("H001", "H002", "H003"):
            yield hazard, "DISABLE_SERVER_SIDE_CURSORS is not set"
    if time_zone not in ("UTC", UNKNOWN):
        yield "H017", f"the connection's time zone is {time_zone!r}"
    if alias.get("ATOMIC_REQUESTS") is True:
        yield "H040", "ATOMIC_REQUESTS = True"
    engine = alias.get("ENGINE", "")
    if engine.startswith("dj_db_conn_pool"):
        yield "H044", f"ENGINE = {engine!r}"
    if engine.split(".")[0] in SCHEMA_ENGINES:
        yield "H045", f"ENGINE = {engine!r}"
    yield from _lifetime(alias, partial)
    yield from _options({} if isinstance(options, Unknown) else options, partial)


def _options(options: Mapping[str, Any], partial: bool) -> Iterator[tuple[str, str]]:
    for key, hazard in (
        ("assume_role", "H012"),
        ("isolation_level", "H016"),
        ("prepare_threshold", "H023"),
    ):
        if options.get(key) not in (None, UNKNOWN):
            yield hazard, f"OPTIONS['{key}'] = {options[key]!r}"
    if "-c" in str(options.get("options", "")):
        yield "H028", f"OPTIONS['options'] = {options['options']!r}"
    if not partial and MERGED not in options and not options.get("application_name"):
        yield "H018", "OPTIONS['application_name'] is not set"
    if options.get("pool") not in (None, False, UNKNOWN):
        yield "H044", "OPTIONS['pool'] is set"


def _lifetime(alias: Mapping[str, Any], partial: bool) -> Iterator[tuple[str, str]]:
    if alias.get("CONN_HEALTH_CHECKS") is True and alias.get("ENGINE") not in ENGINES:
        yield "H042", "CONN_HEALTH_CHECKS = True: one more query per request"
    elif not partial and alias.get("CONN_MAX_AGE", 0) == 0:
        yield "H042", "CONN_MAX_AGE = 0: a login per request"
