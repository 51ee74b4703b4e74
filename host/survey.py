"""What a host is and has, before anything changes on it. Standard library only, prints JSON:
Ansible runs it there."""

from __future__ import annotations

import grp
import json
import os
import pwd
import re
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

LISTENING = "0A"
"""state in /proc/net/tcp"""
DISKS = ("/var/lib", "/srv")
"""where the database and the releases go, or what will hold them"""
CLOCKS = {"chronyd": "chrony", "ntpd": "ntpd", "openntpd": "openntpd"}
NAMES: dict[str, str] = json.loads(sys.argv[1]) if __name__ == "__main__" else {"prefix": "stack"}
"""what the site's own things are called (pgstack.planning.names)"""
PREFIX, CLUSTER = NAMES["prefix"], NAMES.get("cluster", "main")
PLAN = Path("/etc", PREFIX, "plan.json")
"""last of the files that role host writes"""
OWNERS = Path(f"/etc/{PREFIX}-secrets.owners")
"""left by uninstall.yml: who had what in the directories that it kept"""
RELEASES = Path("/srv", PREFIX, "releases")
STACKCTL = Path(NAMES.get("programs", "/usr/local/lib/stack"))
"""where its virtual environment and its code are, each complete or not (install_stackctl.py)"""
SHARED = ("names", "share", "memory", "site", "front", "firewall", "backup", "metrics")
"""parts of a plan that say what a site takes of its host"""
MADE = (
    f"postgresql/*/{CLUSTER}/postgresql.conf",
    f"postgresql/*/{CLUSTER}/start.conf",
    f"postgresql/*/{CLUSTER}/conf.d/pgstack.conf",
    "*pgbackrest/conf.d/passphrase.conf",
    f"{PREFIX}-secrets/django_secret_key",
    "stack-database/authority.key",
    f"systemd/system/{PREFIX}-*",
    "systemd/system/prometheus*.service.d/stack.conf",
)
"""below /etc: what is made once and then kept, and units of which an earlier plan may have left
some"""
CLUSTERS = Path("/var/lib/postgresql" if PREFIX == "stack" else f"/var/lib/{PREFIX}-postgresql")
SORTS = """
    SELECT CASE datlocprovider WHEN 'i' THEN
                    'icu:' || coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale')
                ELSE datcollate END FROM pg_database AS d WHERE datname = current_database()"""
INSTALLED = "ii"
"""what dpkg calls it"""
MARKS = Path("/var/lib/apt/extended_states")
"""where apt keeps which packages came as dependencies of others, and may go with them"""


def survey() -> dict[str, Any]:
    """What the roles need to know of the host, by name; asks, and changes nothing."""
    listeners, enabled = list(_listeners()), _units("list-unit-files", "enabled")
    return {
        "root": os.geteuid() == 0,
        "systemd": Path("/run/systemd/system").is_dir(),
        "container": Path("/run/systemd/container").exists(),
        "system": _system(),
        "free": {path: shutil.disk_usage(path).free for path in DISKS if Path(path).is_dir()},
        "clock": next(
            (name for program, name in CLOCKS.items() if shutil.which(program, path="/usr/sbin")),
            "",
        ),
        "stack": PLAN.exists(),
        "sites": _sites(),
        "owners": OWNERS.exists(),
        "releases": _complete(RELEASES),
        "stackctl": _complete(STACKCTL),
        "packages": _packages(),
        "units": sorted(enabled & _units("list-units", "active")),
        "enabled": sorted(enabled),
        "made": sorted(_made(Path("/etc"))),
        "masked": sorted(_masked(Path("/etc/systemd/system"))),
        "accounts": {account.pw_name: account.pw_gecos for account in pwd.getpwall()},
        "groups": {group.gr_name: group.gr_mem for group in grp.getgrall()},
        "logins": {
            account.pw_name: [account.pw_dir, account.pw_shell] for account in pwd.getpwall()
        },
        "clusters": _clusters(),
        "postgresql": _postgresql(),
        "locales": [words[0] for words in _words_of_lines("locale", "-a")],
        "sorts": _sorts(),
        "listeners": listeners,
        "ssh_ports": sorted(
            _came_in() | {listener["port"] for listener in listeners if _is_ssh(listener)}
        ),
    }


def _sites() -> list[dict[str, Any]]:
    """What the plans of the other sites say that this host has."""
    sites = []
    for path in [*Path("/etc").glob("site-*/plan.json"), Path("/etc/stack/plan.json")]:
        with suppress(OSError, ValueError):
            if path != PLAN:
                plan = json.loads(path.read_text())
                sites.append({name: plan.get(name) for name in SHARED})
    return sites


def _complete(place: Path) -> list[str]:
    """Names of the directories there that were made to their end."""
    return [path.parent.name for path in place.glob("*/complete")]


def _made(place: Path) -> Iterator[str]:
    """Paths of what there is of MADE."""
    return (str(path) for name in MADE for path in place.glob(name) if path.exists())


def _masked(place: Path) -> Iterator[str]:
    """Units that systemd does not start, whoever asks."""
    return (
        path.name
        for path in place.glob("*")
        if path.is_symlink() and path.readlink() == Path(os.devnull)
    )


def _is_ssh(listener: dict[str, Any]) -> bool:
    """Whether the server listens there; what its sessions forward is nothing that anybody has to
    come in on."""
    return listener["program"] == "sshd" and str(listener["unit"]).endswith(".service")


def _packages() -> list[str]:
    """Packages that are installed, and stay: what only came with others is to be installed
    still."""
    with suppress(OSError):
        marks = re.findall(
            r"^Package: (.+)\n(?:.+\n)*?Auto-Installed: 1$", MARKS.read_text(), re.MULTILINE
        )
        shown = _words_of_lines(
            "dpkg-query", "--show", "--showformat=${db:Status-Abbrev} ${Package}\\n"
        )
        return [name for state, name in shown if state == INSTALLED and name not in marks]
    return []


def _units(listed: str, state: str) -> set[str]:
    return {
        words[0]
        for words in _words_of_lines(
            "systemctl", listed, f"--state={state}", "--plain", "--no-legend"
        )
    }


def _words_of_lines(*command: str) -> list[list[str]]:
    """Words of the lines that a command prints; none where there is no such command."""
    with suppress(OSError):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return [line.split() for line in done.stdout.splitlines()]
    return []


def _system() -> str:
    """Name of the operating system."""
    with suppress(OSError):
        match = re.search(
            r'^PRETTY_NAME="?([^"\n]*)', Path("/etc/os-release").read_text(), re.MULTILINE
        )
        return match[1] if match else ""
    return ""


def _clusters() -> list[dict[str, Any]]:
    """PostgreSQL's clusters of the name that the stack gives its own: by version, and whether the
    stack made them."""
    places = [
        *Path("/etc/postgresql").glob(f"*/{CLUSTER}"),
        *CLUSTERS.glob(f"*/{CLUSTER}"),
    ]
    versions = {path.parent.name for path in places if _is_filled(path)}
    return [{"version": name, "ours": _mark(name).exists()} for name in sorted(versions)]


def _postgresql() -> int:
    """Major version that is in force: 0 before the first run, and where PostgreSQL is elsewhere."""
    with suppress(OSError, ValueError, KeyError):
        plan = json.loads(PLAN.read_text())
        if "postgres" in plan["services"]:
            return int(plan["versions"]["postgresql"])
    return max((int(row["version"]) for row in _clusters() if row["ours"]), default=0)


def _sorts() -> str:
    """How the stack's database sorts, where it runs: what roles.sql compares with too."""
    with suppress(OSError, ValueError, KeyError):
        plan = json.loads(PLAN.read_text())
        psql = (
            "psql",
            "--no-psqlrc",
            "--tuples-only",
            "--no-align",
            f"--host={plan['paths']['run_postgres']}",
        )
        server = plan["postgres"]
        question = (
            f"--port={server['port']}",
            f"--username={plan['roles']['admin']}",
            f"--dbname={server['database']}",
            f"--command={SORTS}",
        )
        said = _words_of_lines(
            "runuser", f"--user={plan['accounts']['postgres']}", "--", *psql, *question
        )
        return said[0][0] if said else ""
    return ""


def _is_filled(path: Path) -> bool:
    with suppress(OSError):
        return any(path.iterdir())
    return False


def _mark(version: str) -> Path:
    """What role postgresql leaves beside a cluster that it has made."""
    return CLUSTERS / f"{version}-{CLUSTER}.stack"


def _came_in() -> set[int]:
    """Port of the SSH connection that this process came in on: one of its ancestors has it in its
    environment."""
    process = os.getpid()
    while process > 1:
        with suppress(OSError):
            match = re.search(
                rb"(?:^|\0)SSH_CONNECTION=[^\0]* (\d+)\0",
                Path(f"/proc/{process}/environ").read_bytes(),
            )
            if match:
                return {int(match[1])}
        try:
            process = int(Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2].split()[1])
        except OSError:
            break
    return set()


def _listeners() -> Iterator[dict[str, Any]]:
    """Who listens on TCP: address, port, program and systemd's unit; those of other users only for
    root."""
    owners = _owners()
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in Path("/proc/net", table).read_text().splitlines()[1:]:
                row = line.split()
                if row[3] == LISTENING:
                    address, _, port = row[1].rpartition(":")
                    yield {
                        "address": _address(address),
                        "port": int(port, 16),
                        **_program_and_unit(owners.get(row[9])),
                    }


def _address(text: str) -> str:
    """The kernel writes each 32 bits of an address as a number of this machine."""
    packed = b"".join(
        struct.pack("=I", int(text[at : at + 8], 16)) for at in range(0, len(text), 8)
    )
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)


def _owners() -> dict[str, int]:
    """The process that has each socket open, by the socket's number."""
    owners: dict[str, int] = {}
    for entry in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):
            target = str(entry.readlink())
            if target.startswith("socket:["):
                owners.setdefault(target[8:-1], int(entry.parts[2]))
    return owners


def _program_and_unit(process: int | None) -> dict[str, str]:
    try:
        program = Path(f"/proc/{process}/comm").read_text().strip()
        groups = Path(f"/proc/{process}/cgroup").read_text()
    except OSError:
        return {"program": "a program of another user", "unit": ""}
    units = re.findall(r"/([^/\n]+\.(?:service|scope))$", groups, re.MULTILINE)
    return {"program": program, "unit": units[0] if units else ""}


if __name__ == "__main__":
    print(json.dumps(survey()))
