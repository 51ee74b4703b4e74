"""What each Debian release brings, and the packages that the local target needs of it.

Standard library only: `tools/install.py` reads it before there is a virtual environment.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pgstack.planning import extensions


@dataclass(frozen=True)
class DebianRelease:
    """Versions in one Debian release, and its code name."""

    suite: str
    postgresql: int
    pgbouncer: str
    mod_wsgi: str
    python: str
    pgbackrest: str
    patroni: str
    valkey: str
    """package and program of Valkey; Debian 12 has Redis, from which that was forked"""
    systemd: int


# From Debian's package archive. Another release is one more line here, and a Molecule scenario.
RELEASES = {
    12: DebianRelease(
        "bookworm",
        postgresql=15,
        pgbouncer="1.18",
        mod_wsgi="4.9",
        python="3.11",
        pgbackrest="2.45",
        patroni="3.0",
        valkey="redis-server",
        systemd=252,
    ),
    13: DebianRelease(
        "trixie",
        postgresql=17,
        pgbouncer="1.24",
        mod_wsgi="5.0",
        python="3.13",
        pgbackrest="2.55",
        patroni="4.0",
        valkey="valkey-server",
        systemd=257,
    ),
}
NEWEST = max(RELEASES)


def known(joined: str = "and") -> str:
    """The releases for a sentence: `12, 13 and 14`."""
    *others, last = map(str, sorted(RELEASES))
    return f"{', '.join(others)} {joined} {last}"


def servers(debian: int, *, postgresql: bool = True) -> dict[str, str]:
    """Path that a package of the servers brings, and the package; without `postgresql` where that
    is somebody else's."""
    major = RELEASES[debian].postgresql
    database = {f"/usr/lib/postgresql/{major}/bin/postgres": f"postgresql-{major}"}
    return {
        **(database if postgresql else {}),
        "/usr/sbin/pgbouncer": "pgbouncer",
        "/usr/sbin/apache2": "apache2-bin",
        "/usr/lib/apache2/modules/mod_wsgi.so": "libapache2-mod-wsgi-py3",
        "/etc/mime.types": "media-types",
    }


BACKUPS = {"/usr/bin/restic": "restic"}
"""the same for `make backup` of the local target"""


def valkey(debian: int) -> dict[str, str]:
    """Program → package of the server that STACK_VALKEY=on needs."""
    name = RELEASES[debian].valkey
    return {f"/usr/bin/{name}": name}


def environment(debian: int) -> dict[str, str]:
    """The same for what makes the virtual environment."""
    return {f"/usr/lib/python{RELEASES[debian].python}/ensurepip": "python3-venv"}


def missing(needed: Mapping[str, str]) -> list[str]:
    """Packages of `needed` whose path is not there."""
    return [package for path, package in needed.items() if not Path(path).exists()]


_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]*[a-z0-9+]")
"""Debian Policy, 5.6.1; apt reads a `-` behind a name as an order to remove it"""
PACKAGES, EXTENSIONS = "STACK_PACKAGES", "STACK_EXTENSIONS"
"""variables with what a project needs beside the servers"""


def parse(text: object) -> object:
    """Names of packages of a comma-separated list, each once. Raises ValueError."""
    if not isinstance(text, str):
        return text
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    for name in names:
        if _NAME.fullmatch(name) is None:
            raise ValueError(f"{name!r} is not the name of a Debian package, such as libmagic1")
    return names


def requested(environ: Mapping[str, str], debian: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What the inputs ask for on this release: for the project's processes, and for PostgreSQL.

    Raises ValueError, which names the input.
    """
    name = PACKAGES
    try:
        own = _names(parse(environ.get(name, "")))
        name = EXTENSIONS
        wanted = _names(extensions.parse(environ.get(name, "")))
        of_server = extensions.server_packages(wanted, debian, RELEASES[debian].postgresql)
    except ValueError as error:
        raise ValueError(f"{name}={environ[name]}: {error}.") from None
    return tuple(dict.fromkeys((*own, *extensions.libraries(wanted, debian)))), of_server


def _names(parsed: object) -> tuple[str, ...]:
    return tuple(map(str, parsed)) if isinstance(parsed, tuple) else ()


def not_installed(names: Sequence[str], within: Sequence[str] = ()) -> list[str]:
    """Those of `names` that neither are installed nor are provided by what is; `within` are words
    that begin a command somewhere else."""
    if not names:
        return []
    shown = "--showformat=${db:Status-Status}, ${Package}, ${Provides}\n"
    done = subprocess.run(
        [*within, "/usr/bin/dpkg-query", "--show", shown],
        capture_output=True,
        text=True,
        check=False,
    )
    there = {
        part.split()[0]
        for line in done.stdout.splitlines()
        if line.startswith("installed,")
        for part in line.split(",")[1:]
        if part.strip()
    }
    return [name for name in names if name not in there]


EXACT = ("-o", "APT::Cmd::Pattern-Only=true")
"""options with which apt-get takes a name for a name, and for no regular expression"""


def install_command(names: list[str], *options: str) -> list[str]:
    """Installs `names` without recommended extras and without questions."""
    return ["apt-get", *options, "install", "-y", "--no-install-recommends", *names]


def refusal(names: list[str]) -> str:
    """The message for an account that may not install them."""
    return f"missing packages: {' '.join(names)}. As root: {' '.join(install_command(names))}"
