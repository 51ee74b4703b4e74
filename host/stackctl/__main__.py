"""stackctl's command line."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable

from pgstack.errors import ProbeError
from pgstack.ops.terminal import shown

from . import (
    abandoned,
    advise,
    alone,
    apache,
    arguments,
    backup,
    build,
    drained,
    drill,
    environments,
    etcd,
    external,
    facts,
    files,
    files_back,
    front,
    handover,
    haproxy,
    healthy,
    joining,
    keepalived,
    major,
    passwords,
    patroni,
    postgres,
    release,
    restore,
    safe,
    screen,
    stack,
    switchover,
    system,
    trace,
    under_way,
    upgrades,
    watch,
)
from .line import Line
from .registry import SERVERS


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
            if host.file_backup:
                files_back.require(host, asked.files)
            print(f"restore    can be, with {' '.join(options)}")
        else:
            if left := restore.settle(host):
                print(f"restore    {left}", flush=True)
            done = restore.run(host, asked.target, asked.set, asked.timeline, asked.files)
            print(f"restore    {done}")
    return 0


def of_files(host: stack.Stack, asked: argparse.Namespace) -> int:
    """What is done with files alone: `save` and `drill` by their units, which come here again."""
    files.planned(host)
    steps = {
        "save": (files.unit(host), files.save),
        "drill": (files.drill_unit(host), files.rehearse),
    }
    if asked.action == "list":
        for snapshot in files.listed(host):
            print(f"files      {files.snapshot_text(snapshot)}")
    elif asked.action == "restore":
        with system.exclusive_lock(host.run):
            print(f"restore    {_files_back(host, asked)}")
    elif (unit := steps[asked.action][0]) == os.environ.get("RUN_BY"):
        print(f"files      {steps[asked.action][1](host)}")
    else:
        system.start(unit)
        return print_lines(files.report(host))
    return 0


def _files_back(host: stack.Stack, asked: argparse.Namespace) -> str:
    words = (asked.snapshot, asked.moment)
    if asked.check:
        files_back.plan(host, *words)
        return "can be"
    return files_back.run(host, *words)


def backups(host: stack.Stack, _: argparse.Namespace) -> int:
    """How the backups are: 1 when something is not well."""
    if host.file_backup is None:
        backup.require(host)
    return print_lines(backup.report(host) + files.report(host))


def serving(host: stack.Stack, asked: argparse.Namespace) -> int:
    """What serves, what is full and what to do: 1 when something is wrong."""
    lines, well = screen.told(host, asked.json)
    for line in lines:
        print(shown(line), flush=True)
    return 0 if well else 1


def advises(host: stack.Stack, asked: argparse.Namespace) -> int:
    """Which inputs to change; with --check 1 when what was advised has not mended it."""
    words = {"check": asked.check, "last": asked.last, "as_json": asked.json}
    text, well = advise.told(host, **words)
    print(shown(text))
    return 0 if well else 1


def traced(host: stack.Stack, asked: argparse.Namespace) -> int:
    """Print what all logs have of one request."""
    print(trace.told(host, asked.number))
    return 0


def verified(host: stack.Stack, _: argparse.Namespace) -> int:
    """Whether what runs is what was planned, with no change meanwhile."""
    with system.exclusive_lock(host.run):
        return facts.verify(host)


def as_planned(host: stack.Stack, asked: argparse.Namespace) -> int:
    """Whether this host and its cluster are healthy, or become so in time."""
    return print_lines(healthy.settled(host, asked.within))


def print_lines(lines: list[Line]) -> int:
    """Print them; 1 when one is not good."""
    for line in lines:
        print(f"{line.name:<10} {shown(line.text)}", flush=True)
    return 0 if all(line.good for line in lines) else 1


def leads(host: stack.Stack, _: argparse.Namespace) -> int:
    """Whether what is done once is this host's to do: of balancers, that of who has the address."""
    balancer = host.balancing is not None and host.balancing.member
    there = keepalived.has_address(haproxy.part(host)) if balancer else patroni.leads(host)
    return 0 if there else 1


def lead_over(host: stack.Stack, asked: argparse.Namespace) -> str:
    """Have another member lead, or the other balancer have the address."""
    if "haproxy" in host.services:
        return f"keepalived {handover.run(host)}"
    return f"postgres   {switchover.run(host, asked.to)}"


OF_ANYBODY = ("abandoned", "drill", "leads")
"""commands that change nothing which is not of the account that gives them"""
ANSWERS: dict[str, Callable[[stack.Stack, argparse.Namespace], int]] = {
    "abandoned": abandoned.answer,
    "drill": rehearse,
    "leads": leads,
    "resign": etcd.resign,
    "restore": bring_back,
    "backups": backups,
    "files": of_files,
    "healthy": as_planned,
    "status": serving,
    "advise": advises,
    "trace": traced,
    "verify": verified,
    "upgrade": major.answer,
}
"""commands with a status of their own"""


def main(plan: str) -> None:
    """Run one command for the site that this is the plan of; 2 when it cannot."""
    asked = arguments.read(SERVERS)
    if os.geteuid() and asked.command not in OF_ANYBODY:
        sys.exit(f"{arguments.program()}: only root may change what runs. Use sudo.")
    try:
        host = stack.read(plan)
        if asked.command in ANSWERS:
            sys.exit(ANSWERS[asked.command](host, asked))
        if asked.command in ("pause", "resume"):
            # Without the lock: a restart of PostgreSQL by stackctl itself calls these.
            if asked.command == "pause":
                postgres.pause(host)
            else:
                postgres.resume(host, asked.after, asked.hold)
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
        print(f"{arguments.program()}: {shown(str(error))}", file=sys.stderr)
        sys.exit(2)


def rotate(host: stack.Stack, _: argparse.Namespace) -> str:
    """Make what is secret anew."""
    if "haproxy" in host.services:
        return "rotate     nothing: a balancer has neither passwords nor certificates"
    renew = apache.renew if "apache" in host.services else passwords.renew
    return f"rotate     {renew(host)}"


def copy(host: stack.Stack, _: argparse.Namespace) -> str:
    """Have this standby copy the leader, whatever a restore had under way here."""
    done = alone.copy(host)
    under_way.end(host)
    return f"postgres   {done}"


def drain(host: stack.Stack, asked: argparse.Namespace) -> str:
    """Lead visitors past a web host; on itself, have each connection end."""
    if host.balancing is not None and not host.balancing.member:
        return drained.leave(host, asked.within)
    return drained.drain(host, asked.name, asked.same)


CHANGES: dict[str, Callable[[stack.Stack, argparse.Namespace], str]] = {
    "rotate": rotate,
    "share": lambda host, _: f"share      {passwords.share(host)}",
    "copy": copy,
    "join": lambda host, _: f"etcd       {joining.join(host)}",
    "outlive": lambda host, asked: f"etcd       {joining.outlive(host, asked.lost)}",
    "switchover": lead_over,
    "database": lambda host, asked: f"database   {external.ensure(host, asked.password_file)}",
    "leave": lambda host, _: f"front      {front.leave(host)}",
    "drain": lambda host, asked: f"haproxy    {drain(host, asked)}",
    "undrain": lambda host, asked: f"haproxy    {drained.put_back(host, asked.name, asked.same)}",
}
"""commands that name no server"""


def change(host: stack.Stack, asked: argparse.Namespace) -> str:
    """Do what was asked for; returns what was done."""
    if asked.command in CHANGES:
        return CHANGES[asked.command](host, asked)
    wanted = "apache" if asked.command in ("release", "rollback") else asked.server
    server = SERVERS[wanted]
    if not server.may_be_on(host, wanted):
        raise safe.StackctlError(f"{wanted} is not on this host, which is a {host.part} host.")
    if asked.command == "release" and asked.check:
        return f"release    {'changes' if release.changes(host, asked.name) else 'unchanged'}"
    if asked.command == "release":
        return f"release    {release.switch(host, asked.name)}"
    if asked.command == "rollback":
        return f"release    {release.back(host)}"
    done = server.apply(host, again=asked.command == "restart")
    return f"{asked.server:<10} {done}"
