"""What each Debian release brings, and the packages that the local target needs of it.

Standard library only: `tools/install.py` reads it before there is a virtual environment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Release:
    """Versions in one Debian release, and its code name."""

    suite: str
    postgresql: int
    pgbouncer: str
    mod_wsgi: str
    python: str
    pgbackrest: str
    valkey: str
    """package and program of Valkey; Debian 12 has Redis, from which that was forked"""


# From Debian's package archive. Another release is one more line here, and a Molecule scenario.
RELEASES = {
    12: Release(
        "bookworm",
        postgresql=15,
        pgbouncer="1.18",
        mod_wsgi="4.9",
        python="3.11",
        pgbackrest="2.45",
        valkey="redis-server",
    ),
    13: Release(
        "trixie",
        postgresql=17,
        pgbouncer="1.24",
        mod_wsgi="5.0",
        python="3.13",
        pgbackrest="2.55",
        valkey="valkey-server",
    ),
}
NEWEST = max(RELEASES)


def known(joined: str = "and") -> str:
    """The releases for a sentence: `12, 13 and 14`."""
    *others, last = map(str, sorted(RELEASES))
    return f"{', '.join(others)} {joined} {last}"


def servers(debian: int) -> dict[str, str]:
    """Path that a package of the servers brings, and the package."""
    major = RELEASES[debian].postgresql
    return {
        f"/usr/lib/postgresql/{major}/bin/postgres": f"postgresql-{major}",
        "/usr/sbin/pgbouncer": "pgbouncer",
        "/usr/sbin/apache2": "apache2-bin",
        "/usr/lib/apache2/modules/mod_wsgi.so": "libapache2-mod-wsgi-py3",
        "/etc/mime.types": "media-types",
    }


def valkey(debian: int) -> dict[str, str]:
    """The same for STACK_VALKEY=on."""
    name = RELEASES[debian].valkey
    return {f"/usr/bin/{name}": name}


def environment(debian: int) -> dict[str, str]:
    """The same for what makes the virtual environment."""
    return {f"/usr/lib/python{RELEASES[debian].python}/ensurepip": "python3-venv"}


def missing(needed: Mapping[str, str]) -> list[str]:
    """Packages of `needed` whose path is not there."""
    return [package for path, package in needed.items() if not Path(path).exists()]


def install_command(names: list[str]) -> list[str]:
    """Installs `names` without recommended extras and without questions."""
    return ["apt-get", "install", "-y", "--no-install-recommends", *names]


def refusal(names: list[str]) -> str:
    """What somebody who may not install them is told."""
    return f"missing packages: {' '.join(names)}. As root: {' '.join(install_command(names))}"
