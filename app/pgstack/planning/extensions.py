"""STACK_EXTENSIONS: which extensions of PostgreSQL there are, and what each needs of Debian.

Only what Debian's python3-minimal has: PostgreSQL's image reads it, and `tools/install.py` before
there is a virtual environment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Extension:
    """What an extension needs that PostgreSQL's own package does not bring."""

    package: str = ""
    """beside the server; `{}` stands for its major version"""
    libraries: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    """what processes of the project load, by Debian release"""
    since: int = 0
    """first Debian release that has the package"""


_SPATIAL = Extension(
    "postgresql-{}-postgis-3",
    {12: ("libgdal32", "libgeos-c1v5"), 13: ("libgdal36", "libgeos-c1t64")},
)
_OF_POSTGRESQL = (
    *("bloom", "btree_gin", "btree_gist", "citext", "cube", "dict_int", "dict_xsyn"),
    *("earthdistance", "fuzzystrmatch", "hstore", "intarray", "isn", "lo", "ltree", "pg_trgm"),
    *("pgcrypto", "seg", "tablefunc", "tsm_system_rows", "tsm_system_time", "unaccent"),
    "uuid-ossp",
)
EXTENSIONS: dict[str, Extension] = {
    **{name: Extension() for name in _OF_POSTGRESQL},
    "ip4r": Extension("postgresql-{}-ip4r"),
    "pgrouting": Extension("postgresql-{}-pgrouting", _SPATIAL.libraries),
    "postgis": _SPATIAL,
    "postgis_raster": _SPATIAL,
    "postgis_topology": _SPATIAL,
    "vector": Extension("postgresql-{}-pgvector", since=13),
}
ALIASES = {"pgvector": "vector"}
"""names under which people look for one"""
REFUSED = {
    "pg_cron": "its jobs run past PgBouncer, on connections and in memory that no plan counts, and "
    "nothing tells when one fails. Run a management command by STACK_SCHEDULE instead"
}
"""why some are not to be had"""


def parse(text: object) -> object:
    """Names of a comma-separated list, each once, in order. Raises ValueError."""
    if not isinstance(text, str):
        return text
    given = (part.strip() for part in text.split(",") if part.strip())
    names = tuple(dict.fromkeys(ALIASES.get(name, name) for name in given))
    for name in names:
        if name in REFUSED:
            raise ValueError(f"{name} is refused: {REFUSED[name]}")
        if name not in EXTENSIONS:
            raise ValueError(f"{name!r} is none of {', '.join(sorted(EXTENSIONS))}")
    return names


def server_packages(names: tuple[str, ...], debian: int, postgresql: int) -> tuple[str, ...]:
    """Debian packages that PostgreSQL needs. Raises ValueError where this release has none."""
    for name in names:
        if debian < EXTENSIONS[name].since:
            raise ValueError(
                f"{name}: Debian {debian} has no package of it, Debian {EXTENSIONS[name].since} has"
            )
    packages = (EXTENSIONS[name].package.format(postgresql) for name in names)
    return tuple(dict.fromkeys(filter(None, packages)))


def libraries(names: tuple[str, ...], debian: int) -> tuple[str, ...]:
    """Debian packages that processes of the project need."""
    packages = (package for name in names for package in EXTENSIONS[name].libraries.get(debian, ()))
    return tuple(dict.fromkeys(packages))
