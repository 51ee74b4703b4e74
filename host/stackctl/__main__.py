"""stackctl's command line."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pgstack.errors import ProbeError
from pgstack.ops.terminal import shown

from . import (
    apache,
    backup,
    build,
    drill,
    environments,
    external,
    facts,
    files,
    front,
    metrics,
    passwords,
    pgbouncer,
    postgres,
    recovery,
    release,
    repository,
    restore,
    safe,
    schedule,
    stack,
    status,
    system,
    trace,
    upgrades,
    valkey,
    watch,
    workers,
)
from .line import Line

SERVERS: dict[str, Callable[..., str]] = {
    "postgres": postgres.apply,
    "pgbouncer": pgbouncer.apply,
    "valkey": valkey.apply,
    "apache": apache.apply,
    "backup": repository.apply,
    "workers": workers.apply,
    "schedule": schedule.apply,
    "front": front.apply,
    "metrics": metrics.apply,
}
PART_OF = {"backup": "postgres", "workers": "apache", "schedule": "apache", "front": "apache"}
"""which server is on a host that may have them, or had them: what takes them away is asked too"""


def program() -> str:
    """Its name: each site's has its own."""
    return Path(sys.argv[0]).name


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(
        prog=program(), description="Change what runs on this host without losing a request."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in (
        ("apply", "try what Ansible wrote for a server, and bring it into force"),
        ("restart", "replace a server's processes, after an upgrade of its package say"),
    ):
        commands.add_parser(name, help=text).add_argument("server", choices=SERVERS)
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
    commands.add_parser("release", help="prepare a release and serve it").add_argument("name")
    roles = commands.add_parser(
        "database", help="have roles at an external PostgreSQL, and passwords here"
    )
    roles.add_argument(
        "--password-file", type=Path, required=True, help="of the login in database_url"
    )
    commands.add_parser("leave", help="take this site out of the Apache in front of several")
    commands.add_parser("rollback", help="serve the release before this one again")
    commands.add_parser(
        "status", help="which instances and which release serve; 1 when a server does not answer"
    )
    commands.add_parser("verify", help="compare what runs with the plan; 1 when it differs")
    commands.add_parser("facts", help="find out for the exporter what only root can read")
    commands.add_parser("trace", help="what all logs have of one request").add_argument(
        "number", help="`id` in the access log, in brackets in the error log"
    )
    commands.add_parser(
        "watch",
        help="bring back what has failed, was stopped by a signal or is held back by nobody",
    )
    commands.add_parser(
        "upgraded", help="replace processes that run what an upgrade of packages has replaced"
    )
    commands.add_parser(
        "rotate", help="make new passwords, or a new certificate of the site, for the next apply"
    )
    commands.add_parser("pause", help="hold requests back, before PostgreSQL stops")
    resume = commands.add_parser("resume", help="let them go on, after its start")
    resume.add_argument(
        "--after",
        type=int,
        default=0,
        metavar="PROCESS",
        help="number of the server's process that stops",
    )
    _of_backups(commands)
    return parser.parse_args()


def _of_backups(commands: Any) -> None:
    """The commands about backups; argparse's class of `commands` is private."""
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


def rehearse(host: stack.Stack, asked: argparse.Namespace) -> int:
    """The drill, and for root the unit that runs it."""
    if asked.clear:
        drill.sweep(host)
    else:
        print(f"drill      {drill.run(host) if os.geteuid() else drill.start(host)}")
    return 0


def bring_back(host: stack.Stack, asked: argparse.Namespace) -> int:
    """The restore, or whether it can be."""
    with system.exclusive_lock(host.run):
        if asked.check:
            *_, options = restore.plan(host, asked.target, asked.set, asked.timeline)
            if backup.require(host).files:
                files.require(host, asked.files)
            print(f"restore    can be, with {' '.join(options)}")
        else:
            done = restore.run(host, asked.target, asked.set, asked.timeline, asked.files)
            print(f"restore    {done}")
    return 0


def of_files(host: stack.Stack, asked: argparse.Namespace) -> int:
    """What is done with files alone: `save` and `drill` by their units, which come here again."""
    steps = {
        "save": (files.unit(host), files.save),
        "drill": (files.drill_unit(host), files.rehearse),
    }
    if asked.action == "list":
        for snapshot in files.listed(host):
            print(f"files      {files.snapshot_text(snapshot)}")
    elif asked.action == "restore":
        with system.exclusive_lock(host.run):
            print(f"restore    {restore.files_alone(host, asked.snapshot)}")
    elif (unit := steps[asked.action][0]) == os.environ.get("RUN_BY"):
        print(f"files      {steps[asked.action][1](host)}")
    else:
        system.start(unit)
        return print_lines(files.report(host))
    return 0


def backups(host: stack.Stack, _: argparse.Namespace) -> int:
    """How the backups are: 1 when something is not well."""
    return print_lines(backup.report(host) + files.report(host))


def serving(host: stack.Stack, _: argparse.Namespace) -> int:
    """What serves: 1 when a server does not. Backups are told once PostgreSQL answers, and do not
    change that."""
    servers = status.report(host)
    code = print_lines([*servers, *workers.report(host), *schedule.report(host)])
    if host.backup and servers[0].good:
        print_lines(backup.report(host) + files.report(host))
    return code


def traced(host: stack.Stack, asked: argparse.Namespace) -> int:
    """One request in all logs."""
    print(trace.told(host, asked.number))
    return 0


def verified(host: stack.Stack, _: argparse.Namespace) -> int:
    """Whether what runs is what was planned, with no change meanwhile."""
    with system.exclusive_lock(host.run):
        return facts.verify(host)


def print_lines(lines: list[Line]) -> int:
    """Print them; 1 when one is not good."""
    for line in lines:
        print(f"{line.name:<10} {shown(line.text)}", flush=True)
    return 0 if all(line.good for line in lines) else 1


ANSWERS: dict[str, Callable[[stack.Stack, argparse.Namespace], int]] = {
    "drill": rehearse,
    "restore": bring_back,
    "backups": backups,
    "files": of_files,
    "status": serving,
    "trace": traced,
    "verify": verified,
}
"""commands with a status of their own"""


def main(plan: str) -> None:
    """Run one command for the site that this is the plan of; 2 when it cannot."""
    asked = arguments()
    if os.geteuid() and asked.command != "drill":
        sys.exit(f"{program()}: only root may change what runs. Use sudo.")
    try:
        host = stack.read(plan)
        if asked.command in ANSWERS:
            sys.exit(ANSWERS[asked.command](host, asked))
        if asked.command in ("pause", "resume"):
            # Without the lock: a restart of PostgreSQL by stackctl itself calls these.
            postgres.pause(host) if asked.command == "pause" else postgres.resume(host, asked.after)
        elif asked.command == "build":
            # With a lock of its own: others need not wait for packages to be fetched.
            with system.exclusive_lock(host.run, environments.LOCK):
                words = (asked.requirements, asked.environment, asked.commands, sys.stdin.read())
                done = build.run(host, asked.name, *words)
                release.complete(host, asked.name, json.loads(asked.after))
                print(f"release    {done}")
        elif asked.command == "facts":
            print(facts.find_out(host))
        elif asked.command == "upgraded":
            print(upgrades.replace(host))
        elif asked.command == "watch":
            print(watch.look(host))
        else:
            with system.exclusive_lock(host.run):
                print(change(host, asked))
    except (safe.StackctlError, ProbeError) as error:
        print(f"{program()}: {shown(str(error))}", file=sys.stderr)
        sys.exit(2)


def change(host: stack.Stack, asked: argparse.Namespace) -> str:
    """Do what was asked for; returns what was done."""
    if asked.command == "rotate":
        renew = apache.renew if "apache" in host.services else passwords.renew
        return f"rotate     {renew(host)}"
    if asked.command == "database":
        return f"database   {external.ensure(host, asked.password_file)}"
    if asked.command == "leave":
        return f"front      {front.leave(host)}"
    wanted = "apache" if asked.command in ("release", "rollback") else asked.server
    if PART_OF.get(wanted, wanted) not in host.services:
        raise safe.StackctlError(f"{wanted} is not on this host, which is a {host.part} host.")
    if asked.command == "release":
        return f"release    {release.switch(host, asked.name)}"
    if asked.command == "rollback":
        return f"release    {release.back(host)}"
    done = SERVERS[asked.server](host, again=asked.command == "restart")
    return f"{asked.server:<10} {done}"
