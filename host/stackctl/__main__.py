"""stackctl's command line."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable

from . import apache, passwords, pgbouncer, postgres, release, stack, system

SERVERS: dict[str, Callable[..., str]] = {
    "postgres": postgres.apply, "pgbouncer": pgbouncer.apply, "apache": apache.apply,
}  # fmt: skip
PARTS = {"all": tuple(SERVERS), "web": ("pgbouncer", "apache"), "database": ("postgres",)}
"""the servers of a host, by what it runs of the stack"""


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(
        prog="stackctl", description="Change what runs on this host without losing a request."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in (
        ("apply", "try what Ansible wrote for a server, and bring it into force"),
        ("restart", "replace a server's processes, after an upgrade of its package say"),
    ):
        commands.add_parser(name, help=text).add_argument("server", choices=SERVERS)
    commands.add_parser("release", help="prepare a release and serve it").add_argument("name")
    commands.add_parser("rollback", help="serve the release before this one again")
    commands.add_parser("status", help="which instances and which release serve")
    commands.add_parser("rotate", help="make new passwords, or a new certificate of the site, for the next apply")
    commands.add_parser("pause", help="hold requests back, before PostgreSQL stops")
    commands.add_parser("resume", help="let them go on, after its start")
    return parser.parse_args()


def status(host: stack.Stack) -> str:
    """What serves."""
    if host.part == "database":
        return _postgres(host)
    link = host.root / "previous"
    before = link.readlink().name if link.is_symlink() else "none"
    return "\n".join((
        _postgres(host),
        f"pgbouncer  instance {pgbouncer.serving(host) or 'none'}",
        f"apache     instance {apache.serving() or 'none'}",
        f"release    {apache.current(host).name}, before it {before}",
    ))  # fmt: skip


def _postgres(host: stack.Stack) -> str:
    if host.part == "web":
        return f"postgres   on {host.postgres['host']}"
    return f"postgres   {'runs' if system.active(postgres.unit(host)) else 'does not run'}"


def main() -> None:
    """Run one command; 2 when it cannot."""
    asked = arguments()
    if os.geteuid():
        sys.exit("stackctl: only root may change what runs. Use sudo.")
    try:
        host = stack.read()
        if asked.command in ("pause", "resume"):
            # Without the lock: a restart of PostgreSQL by stackctl itself calls these.
            (postgres.pause if asked.command == "pause" else postgres.resume)(host)
        elif asked.command == "status":
            print(status(host))
        else:
            with system.alone():
                print(change(host, asked))
    except system.Refused as error:
        print(f"stackctl: {error}", file=sys.stderr)
        sys.exit(2)


def change(host: stack.Stack, asked: argparse.Namespace) -> str:
    """Do what was asked for; returns what was done."""
    if asked.command == "rotate":
        return f"rotate     {passwords.renew(host) if host.part == 'database' else apache.renew(host)}"
    wanted = "apache" if asked.command in ("release", "rollback") else asked.server
    if wanted not in PARTS[host.part]:
        raise system.Refused(f"{wanted} is not on this host, which is a {host.part} host.")
    if asked.command == "release":
        return f"release    {release.switch(host, asked.name)}"
    if asked.command == "rollback":
        return f"release    {release.back(host)}"
    done = SERVERS[asked.server](host, again=asked.command == "restart")
    return f"{asked.server:<10} {done}"


if __name__ == "__main__":
    main()
