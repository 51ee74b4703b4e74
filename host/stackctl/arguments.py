"""The words that stackctl takes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from . import recovery

PLAIN = {
    "leave": "take this site out of the Apache in front of several",
    "rollback": "serve the release before this one again",
    "verify": "compare what runs with the plan; 1 when it differs",
    "facts": "find out for the exporter what only root can read",
    "watch": "bring back what has failed, was stopped by a signal or was left held back",
    "upgraded": "replace processes that run what an upgrade of packages has replaced",
    "rotate": "make new passwords, or a new certificate of the site, for the next apply",
    "share": "make what all members of a cluster have in common, unless it is there",
    "copy": "delete the database of this standby, and copy the leader's",
    "join": "take the place of a member that a cluster has lost, where this host has none yet",
    "pause": "hold requests back, before PostgreSQL stops",
    "resign": "have another member's etcd lead, before this one ends",
    "leads": "whether this member takes writes, or this balancer has the address; 1 when not",
}
"""commands without arguments"""


def program() -> str:
    """stackctl's name: each site's has its own."""
    return Path(sys.argv[0]).name


def read(servers: Iterable[str]) -> argparse.Namespace:
    """What was asked for; `servers` are those that can be changed. Exits with status 2 for
    anything else."""
    parser = argparse.ArgumentParser(
        prog=program(), description="Change what runs on this host without losing a request."
    )
    # argparse's class of the commands is private.
    commands: Any = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in (
        ("apply", "try what Ansible wrote for a server, and bring it into force"),
        ("restart", "replace a server's processes, after an upgrade of its package say"),
    ):
        commands.add_parser(name, help=text).add_argument("server", choices=servers)
    _of_releases(commands)
    look = commands.add_parser("status", help="what serves, what is full, who blocks, what to do")
    look.add_argument("--json", action="store_true", help="for machines")
    _of_advice(commands)
    for name, text in PLAIN.items():
        commands.add_parser(name, help=text)
    commands.add_parser(
        "outlive", help="have etcd of this member decide alone: all others are lost for good"
    ).add_argument("lost", nargs="+", metavar="MEMBER")
    commands.add_parser(
        "abandoned",
        help="whether a segment of WAL is of a timeline that was left before its end; 1 when not",
    ).add_argument("file")
    commands.add_parser("trace", help="what all logs have of one request").add_argument(
        "number", help="`id` in the access log, in brackets in the error log"
    )
    resume = commands.add_parser("resume", help="let them go on, after its start")
    resume.add_argument(
        "--after",
        type=int,
        default=0,
        metavar="PROCESS",
        help="number of the server's process that stops",
    )
    resume.add_argument(
        "--hold",
        type=int,
        default=0,
        metavar="SECONDS",
        help="time for a server on another host to be restarted",
    )
    commands.add_parser(
        "switchover", help="have another member lead, or the other balancer have the address"
    ).add_argument("--to", default="", metavar="MEMBER", help="unset: one that is up to date")
    commands.add_parser(
        "healthy", help="whether this host's servers and its cluster are as planned; 1 when not"
    ).add_argument(
        "--within", type=float, default=0, metavar="SECONDS", help="wait for it so long at most"
    )
    _of_upgrade(commands)
    _of_backups(commands)
    return parser.parse_args()


def _of_advice(commands: Any) -> None:
    advise = commands.add_parser("advise", help="which inputs to change, by what was measured")
    advise.add_argument(
        "--check", action="store_true", help="whether the last advice has mended it; 1 when not"
    )
    advise.add_argument(
        "--last", type=float, metavar="SECONDS", help="judge by these alone; 10 at least"
    )
    advise.add_argument("--json", action="store_true", help="for machines")


def _of_releases(commands: Any) -> None:
    make = commands.add_parser(
        "build", help="install what a release requires; variables come by standard input"
    )
    make.add_argument("name")
    make.add_argument(
        "--requirements", default="", metavar="FILE", help="of the project, below its directory"
    )
    make.add_argument(
        "--environment",
        default="",
        metavar="WORD",
        help="what decides its virtual environment, which releases of the same share",
    )
    make.add_argument(
        "--commands", default="[]", metavar="JSON", help="lists of words, run once it is installed"
    )
    make.add_argument(
        "--after", default="[]", metavar="JSON", help="the same, for each time after its migration"
    )
    serve = commands.add_parser("release", help="prepare a release and serve it")
    serve.add_argument("name")
    serve.add_argument(
        "--check", action="store_true", help="only say whether it changes what is served"
    )
    _of_balancers(commands)
    roles = commands.add_parser(
        "database", help="have roles at an external PostgreSQL, and passwords here"
    )
    roles.add_argument(
        "--password-file", type=Path, required=True, help="of the login in database_url"
    )


def _of_balancers(commands: Any) -> None:
    out = commands.add_parser(
        "drain", help="lead new connections past a web host; on itself, end each with its answer"
    )
    back = commands.add_parser("undrain", help="take it in again, and wait until it is ready")
    for parser in (out, back):
        parser.add_argument("name", nargs="?", default="", help="of the web host, on a balancer")
    out.add_argument(
        "--within",
        type=float,
        metavar="SECONDS",
        help="wait so long at most until nobody is connected (web host)",
    )
    for parser, text in (
        (out, "it will serve the same release (balancer)"),
        (back, "all web hosts serve the same again (balancer)"),
    ):
        parser.add_argument("--same", action="store_true", help=text)


def _of_upgrade(commands: Any) -> None:
    upgrade = commands.add_parser(
        "upgrade", help="have the major version of PostgreSQL serve that upgrade.yml has prepared"
    )
    instead = upgrade.add_mutually_exclusive_group()
    for name, text in (
        ("rehearse", "do it with a copy: what would stop it, and how long requests would wait"),
        ("back", "have the old version serve again, without what was written since"),
        ("finish", "give the old version up, and delete its data"),
        ("settle", argparse.SUPPRESS),
    ):
        instead.add_argument(f"--{name}", action="store_true", help=text)
    upgrade.add_argument(
        "--logical",
        action="store_true",
        help="by logical replication: requests wait no longer with many tables",
    )


def _of_backups(commands: Any) -> None:
    commands.add_parser(
        "backups", help="age of the last backup, archive and drill; 1 when something is not well"
    )
    rehearse = commands.add_parser(
        "drill", help="restore the last backup into a scratch instance, and read all of it"
    )
    rehearse.add_argument("--clear", action="store_true", help="only delete what one has left")
    back = commands.add_parser(
        "restore",
        help="bring the database and the files back as they were; the site is down meanwhile",
    )
    back.add_argument("target", help=recovery.FORMS)
    back.add_argument(
        "--set",
        default="",
        metavar="LABEL",
        help="backup to begin with; unset: the newest before it",
    )
    back.add_argument("--timeline", default="", help="timeline to follow; unset: the latest")
    back.add_argument(
        "--files",
        default="",
        metavar="SNAPSHOT",
        help="of uploads and STACK_DATA; unset: the first that is not older than the database",
    )
    back.add_argument(
        "--check", action="store_true", help="only say whether it can be; changes nothing"
    )
    kept = commands.add_parser("files", help="uploads and directories of STACK_DATA in the backups")
    kept.add_argument("action", choices=["list", "save", "drill", "restore"])
    kept.add_argument(
        "snapshot", nargs="?", default="", help="that restore brings back; unset: the newest"
    )
    kept.add_argument(
        "--moment",
        default="",
        help="which the database is as of: restore brings back the first snapshot that is not "
        "older, and changes nothing where none is and files are there",
    )
    kept.add_argument(
        "--check", action="store_true", help="only say whether restore can; changes nothing"
    )
