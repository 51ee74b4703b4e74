"""What the settings of a Django project say about the hazards of transaction pooling."""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings

from pgstack.audit import setting_lines
from pgstack.audit.finding import Finding
from pgstack.audit.packages import APPS
from pgstack.audit.place import DIRECT
from pgstack.audit.run import Settings, shown
from pgstack.db.aliases import is_pooled
from pgstack.hazards.databases import TENANT_ENGINE, hazards_of, is_postgresql

PACKAGES = frozenset({"site-packages", "dist-packages"})
"""names of the directories that pip and Debian install into"""
TENANTS = "django_tenants"
"""harmless with TENANT_ENGINE"""
OWN = frozenset({"django", "pgstack"})
"""packages that are not audited unless they are named: their hazards are those of the settings"""


def root() -> Path:
    """Directory of the project: BASE_DIR, else where the command was started.

    The BASE_DIR of a project that is an installed package may be where all packages are: then it is
    the package.
    """
    base = Path(getattr(settings, "BASE_DIR", None) or Path.cwd()).resolve()
    file = _settings_file()
    if base.name in PACKAGES and file is not None and file.resolve().is_relative_to(base):
        return base / file.resolve().relative_to(base).parts[0]
    return base


def packages() -> list[str]:
    """Dotted names of the installed apps that are the project's, sorted."""
    return sorted(app for app in settings.INSTALLED_APPS if app.split(".")[0] not in OWN)


def pooled_aliases() -> dict[str, dict[str, Any]]:
    """The aliases of PostgreSQL that are not the direct one."""
    return {
        name: alias
        for name, alias in settings.DATABASES.items()
        if name not in DIRECT and is_postgresql(alias) and is_pooled(name, alias)
    }


def hazards() -> Iterator[tuple[str, str]]:
    """Ids of the hazards of the settings, and what shows each."""
    pooled = pooled_aliases()
    for name, alias in pooled.items():
        zone = alias.get("TIME_ZONE") or ("UTC" if settings.USE_TZ else settings.TIME_ZONE)
        yield from (
            (hazard, f"DATABASES[{name!r}]: {seen}") for hazard, seen in hazards_of(alias, zone)
        )
    if pooled and not has_direct():
        yield "H036", "DATABASES has no alias `direct`, straight to PostgreSQL"
    scoped = all(alias.get("ENGINE") == TENANT_ENGINE for alias in pooled.values())
    for app in settings.INSTALLED_APPS:
        if app.split(".")[0] in APPS and not (scoped and app.split(".")[0] == TENANTS):
            yield APPS[app.split(".")[0]], f"INSTALLED_APPS: {app}"


def has_direct() -> bool:
    """Whether an alias goes straight to PostgreSQL."""
    return bool(DIRECT & set(settings.DATABASES))


def for_audit() -> Settings:
    """The settings as the audit needs them."""
    pooled = pooled_aliases()
    trees = {shown(path, root()): ast.parse(path.read_bytes()) for path in _settings_files()}
    findings = [Finding(*_place(trees, seen), hazard, seen, seen) for hazard, seen in hazards()]
    off = bool(pooled) and all(
        alias.get("DISABLE_SERVER_SIDE_CURSORS") for alias in pooled.values()
    )
    return Settings(tuple(findings), has_direct=has_direct(), cursors_off=off)


def _place(trees: dict[str, ast.Module], seen: str) -> tuple[str, int]:
    """File and line of a setting; 0 where it is not written out in any of them."""
    places = ((name, setting_lines.line_of(tree, seen)) for name, tree in trees.items())
    return next((place for place in places if place[1]), (next(iter(trees), "settings"), 0))


def _settings_files() -> list[Path]:
    """The settings module, and those beside it that were imported: what it has taken its settings
    from."""
    own = _settings_file()
    if own is None or own.suffix != ".py":
        return []
    files = (getattr(module, "__file__", None) or "" for module in list(sys.modules.values()))
    beside = sorted(
        {Path(file) for file in files if file.endswith(".py") and Path(file).parent == own.parent}
        - {own}
    )
    return [own, *beside]


def _settings_file() -> Path | None:
    name = getattr(settings, "SETTINGS_MODULE", None)
    file = importlib.import_module(name).__file__ if name else None
    return Path(file) if file else None
