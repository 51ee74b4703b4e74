"""supervisord.conf of the local target: the servers, the guard, the project's workers and its
scheduler."""

from __future__ import annotations

import configparser
import io
import sys
from collections.abc import Iterator
from pathlib import Path

from pgstack.live.probes import supervisord
from pgstack.live.probes.supervisord import RUNS_SECONDS
from pgstack.planning import layout, services
from pgstack.planning.background import SCHEDULER, VARIABLE
from pgstack.planning.plan import Plan
from pgstack.planning.service import Service
from pgstack.planning.work_names import KILL_SECONDS, PREFIX
from pgstack.rendering.file import File
from pgstack.serving import confine
from pgstack.targets import orphans

STOP_SECONDS = 20
WORKER_RUNS_SECONDS = 10
"""RUNS_SECONDS of a worker, whose start takes a second or two of a core: one that crashes again
and again must not take them from pages."""
START_RETRIES = 1_000_000
"""a start that failed, for want of memory or of space, is tried again, later each time, and never
given up"""
OWN_FILES = 64
"""descriptors of supervisord itself, beside those that PgBouncer and Apache inherit the limit
for"""
GUARD = "guard"
UMASK = 0o077
"""PostgreSQL's log holds the literals of statements that failed, and whatever a web process writes
is a project's"""
PRIORITY = "1000"
"""of workers: they end before the servers, whose priority is 999, when supervisord is told to"""
SECTION = "program:"
RPC = {"supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"}
"""lets it be asked"""
OURS = str(Path(__file__).resolve().parents[2])
"""where the stack's own programs import from"""


def configuration(plan: Plan, fingerprint: str) -> File:
    """supervisord.conf from the plan; `fingerprint` is what supervisord answers to
    `started_with`."""
    root, run = plan.paths.root, f"{plan.paths.root}/run"
    parser = configparser.RawConfigParser()
    parser["unix_http_server"] = {"file": supervisord.socket_path(plan), "chmod": "0700"}
    parser["supervisord"] = {
        "logfile": f"{plan.paths.log}/supervisord.log",
        "logfile_maxbytes": str(layout.LOG_BYTES),
        "logfile_backups": str(layout.LOGS_KEPT),
        "pidfile": f"{run}/supervisord.pid",
        "minfds": str(open_files(plan)),
        "directory": root,
        "identifier": fingerprint,
        "umask": f"{UMASK:03o}",
    }
    parser["rpcinterface:supervisor"] = RPC
    parser["supervisorctl"] = {"serverurl": f"unix://{supervisord.socket_path(plan)}"}
    for name, program in _programs(plan):
        parser[SECTION + name] = program
    text = io.StringIO()
    parser.write(text)
    return File(Path(root, "supervisord.conf"), text.getvalue())


def _programs(plan: Plan) -> Iterator[tuple[str, dict[str, str]]]:
    """Everything that supervisord runs, by its name."""
    for name, (command, stop_signal) in services.servers(plan).items():
        # Only Apache's children outlive it, and run the project's code. Those of an earlier Apache
        # are confined, and a confined process may not look at them: clear them before confining.
        clear = f"{sys.executable} {orphans.__file__} {command.partition(' ')[0]}"
        before = f"{clear} {_confined(plan)} " if name == "apache" else ""
        yield name, _program(plan, name, before + command, stop_signal)
    watch = f"{_with_supervisord('KILL')} {sys.executable} -m pgstack.targets.guard"
    yield GUARD, _own_program(plan, GUARD, watch)
    if plan.metrics:
        look = f"{_with_supervisord('TERM')} {sys.executable} -m pgstack.metrics"
        yield services.METRICS.name, _own_program(plan, services.METRICS.name, look)
    for service in services.workers(plan):
        yield from _worker(plan, service)
    if plan.schedule:
        yield SCHEDULER, scheduler(plan, 0, _with_supervisord("TERM"))


def _own_program(plan: Plan, name: str, command: str) -> dict[str, str]:
    """A program of the stack itself, which runs as soon as supervisord does."""
    return {**_program(plan, name, command, "TERM", PYTHONPATH=OURS), "autostart": "true"}


def open_files(plan: Plan) -> int:
    """Open files of the server that needs most, and of supervisord, which it has the limit from."""
    cache = plan.valkey.file_descriptors if plan.valkey else 0
    return max(plan.pooler.file_descriptors, plan.apache.file_descriptors, cache) + OWN_FILES


def _confined(plan: Plan) -> str:
    """What keeps a program from writing where pages may not."""
    return f"{sys.executable} {confine.__file__} {':'.join(layout.written_by_pages(plan.paths))}"


def _with_supervisord(stop_signal: str) -> str:
    """Prefix that sends a program a signal when supervisord is killed: otherwise it would run on
    unnoticed."""
    return f"/usr/bin/setpriv --pdeathsig {stop_signal}"


def _worker(plan: Plan, service: Service) -> Iterator[tuple[str, dict[str, str]]]:
    """A program for each process of a worker."""
    for name in service.names:
        before = (_with_supervisord(service.stop_signal), _confined(plan))
        yield name, {**worker(plan, service, name, *before), "priority": PRIORITY}


def worker(plan: Plan, service: Service, name: str, *before: str) -> dict[str, str]:
    """A process of a worker, with words `before` its own. Only its first process gets the stop
    signal; after the grace period all of them are killed."""
    program = _program(
        plan,
        name,
        " ".join((*before, *service.words(plan))),
        service.stop_signal,
        **variables(plan, service.name.removeprefix(PREFIX)),
    )
    return {
        **program,
        "directory": plan.paths.app,
        "startsecs": str(WORKER_RUNS_SECONDS),
        "stopwaitsecs": str(service.stop_seconds),
        "killasgroup": "true",
    }


def scheduler(plan: Plan, patience: int, *before: str) -> dict[str, str]:
    """What starts scheduled commands, with words `before` its own; when it is stopped, they have
    `patience` seconds to finish. It is not confined itself, but what it starts is, so that its
    records are out of their reach."""
    words = (*before, sys.executable, "-m", "pgstack.targets.schedule.scheduler")
    return {
        **_program(plan, SCHEDULER, " ".join(words), "TERM", PYTHONPATH=OURS),
        "stopwaitsecs": str(patience + KILL_SECONDS + STOP_SECONDS),
        "priority": PRIORITY,
    }


def variables(plan: Plan, name: str) -> dict[str, str]:
    """In the environment of the worker, or of the run of an entry, that has this name."""
    own = {"DJANGO_SETTINGS_MODULE": plan.web.settings} if plan.project else {}
    return {
        **_ours(plan),
        "PYTHONPATH": ":".join(plan.web.python_path),
        "PYTHONUNBUFFERED": "1",
        VARIABLE: name,
        **own,
    }


def _ours(plan: Plan) -> dict[str, str]:
    return {orphans.MARK: plan_file(plan), "PYTHONDONTWRITEBYTECODE": "1"}


def _program(
    plan: Plan, name: str, command: str, stop_signal: str, **variables: str
) -> dict[str, str]:
    own = {**_ours(plan), **variables}
    return {
        "command": command,
        "autostart": "false",
        "autorestart": "true",
        "stopsignal": stop_signal,
        "stopwaitsecs": str(STOP_SECONDS),
        "startsecs": str(RUNS_SECONDS),
        "startretries": str(START_RETRIES),
        "redirect_stderr": "true",
        "stdout_logfile": f"{plan.paths.log}/{name}.log",
        "stdout_logfile_maxbytes": str(layout.LOG_BYTES),
        "stdout_logfile_backups": str(layout.LOGS_KEPT),
        "environment": ",".join(f'{key}="{value}"' for key, value in own.items()),
    }


def plan_file(plan: Plan) -> str:
    """Where the plan in force lies."""
    return f"{plan.paths.conf}/plan.json"
