"""supervisord for the local target: it starts the three servers and brings back one that
crashed."""

from __future__ import annotations

import configparser
import io
import signal
import socket
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import psutil
from supervisor.xmlrpc import SupervisorTransport, UnixStreamHTTPConnection

from pgstack.errors import TargetError
from pgstack.ops import rendered
from pgstack.planning import layout, services
from pgstack.planning.plan import Plan
from pgstack.rendering.file import File
from pgstack.serving import confine
from pgstack.targets import failure, orphans

START_SECONDS = 15
STOP_SECONDS = 20
ANSWER_SECONDS = 5
"""supervisord answers at once, except to a question to stop a server"""
RUNS_SECONDS = 1
"""A server that ends sooner has not started: it is started again one second later, then two, and so
on, and its state is BACKOFF meanwhile. One that ends later is started again at once."""
POLL_SECONDS = 0.05
OWN_FILES = 64
"""descriptors of supervisord itself, beside those that PgBouncer and Apache inherit the limit
for"""
START_RETRIES = 1_000_000
"""a start that failed, for want of memory or of space, is tried again, later each time, and never
given up"""
GUARD = "guard"
UMASK = 0o077
"""PostgreSQL's log holds the literals of statements that failed, and whatever a web process writes
is a project's"""
UNSUPERVISED = "UNSUPERVISED"
"""state of a server that runs on after its supervisord was killed"""
Answer = TypeVar("Answer")
NO_SUCH_STATE = {60, 70}  # ALREADY_STARTED, NOT_RUNNING


def configuration(plan: Plan, fingerprint: str) -> File:
    """supervisord.conf from the plan; `fingerprint` is what supervisord answers to
    `started_with`."""
    root, run = plan.paths.root, f"{plan.paths.root}/run"
    parser = configparser.RawConfigParser()
    parser["unix_http_server"] = {"file": f"{run}/supervisor.sock", "chmod": "0700"}
    parser["supervisord"] = {
        "logfile": f"{plan.paths.log}/supervisord.log",
        "logfile_maxbytes": str(layout.LOG_BYTES),
        "logfile_backups": str(layout.LOGS_KEPT),
        "pidfile": f"{run}/supervisord.pid",
        "minfds": str(max(plan.pooler.file_descriptors, plan.apache.file_descriptors) + OWN_FILES),
        "directory": root,
        "identifier": fingerprint,
        "umask": f"{UMASK:03o}",
    }
    parser["rpcinterface:supervisor"] = {
        "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
    }
    parser["supervisorctl"] = {"serverurl": f"unix://{run}/supervisor.sock"}
    for name, (command, stop_signal) in services.servers(plan).items():
        # Apache is the only one whose children outlive it, and that runs the project's code. What
        # the one before has left is confined by itself: nobody who is confined, too, may look at
        # it.
        confined = (
            f"{sys.executable} {confine.__file__} {':'.join(layout.written_by_pages(plan.paths))}"
        )
        clear = f"{sys.executable} {orphans.__file__} {command.partition(' ')[0]}"
        before = f"{clear} {confined} " if name == "apache" else ""
        parser[f"program:{name}"] = _program(plan, name, before + command, stop_signal)
    watch = f"/usr/bin/setpriv --pdeathsig KILL {sys.executable} -m pgstack.targets.guard"
    parser[f"program:{GUARD}"] = _program(plan, GUARD, watch, "TERM") | {"autostart": "true"}
    text = io.StringIO()
    parser.write(text)
    return File(Path(root, "supervisord.conf"), text.getvalue())


def _program(plan: Plan, name: str, command: str, stop_signal: str) -> dict[str, str]:
    variables = {orphans.MARK: _plan_file(plan), "PYTHONDONTWRITEBYTECODE": "1"}
    variables |= {"PYTHONPATH": str(Path(__file__).resolve().parents[2])} if name == GUARD else {}
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
        "environment": ",".join(f'{key}="{value}"' for key, value in variables.items()),
    }


def _plan_file(plan: Plan) -> str:
    return f"{plan.paths.conf}/plan.json"


class _Connection(UnixStreamHTTPConnection):  # type: ignore[misc]
    """To supervisord's socket, with an end to every wait."""

    def __init__(self, path: str, seconds: float) -> None:
        super().__init__("localhost")
        self.path, self.seconds = path, seconds

    def connect(self) -> None:
        """As HTTPConnection does."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.seconds)
        self.sock.connect(self.path)


def _call(plan: Plan, seconds: float = ANSWER_SECONDS) -> Any:
    path = f"{plan.paths.root}/run/supervisor.sock"
    transport = SupervisorTransport(None, None, f"unix://{path}")
    transport._get_connection = lambda: _Connection(path, seconds)  # noqa: SLF001 - it has no other way to bound a wait
    return xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport).supervisor


def _ask(plan: Plan, question: Callable[[Any], Answer]) -> Answer | None:
    """What supervisord answers; None when it does not run. Raises TargetError when it runs and says
    nothing."""
    try:
        return question(_call(plan))
    except TimeoutError:
        raise TargetError(
            f"supervisord: no answer within {ANSWER_SECONDS} s. It is stopped or hangs: see the "
            f"process that "
            f"{plan.paths.root}/run/supervisord.pid names; `kill -CONT` lets a stopped one go on."
        ) from None
    except (OSError, xmlrpc.client.Error):
        return None


def unsupervised(plan: Plan) -> dict[str, str]:
    """State of each server that runs although supervisord does not."""
    running = services.servers(plan).items() if states(plan) is None else ()
    return {
        name: UNSUPERVISED
        for name, (command, _) in running
        if orphans.find(command.split()[0], _plan_file(plan))
    }


def states(plan: Plan) -> dict[str, str] | None:
    """State of each server by name; None when supervisord does not run."""
    rows = _ask(plan, lambda supervisor: supervisor.getAllProcessInfo())
    return None if rows is None else {row["name"]: row["statename"] for row in rows}


def started_with(plan: Plan) -> str | None:
    """Fingerprint of the files that the running servers were started with; None when supervisord
    does not run."""
    found = _ask(plan, lambda supervisor: supervisor.getIdentification())
    return None if found is None else str(found)


def all_run(plan: Plan) -> bool:
    """Whether supervisord says RUNNING of every server."""
    return set((states(plan) or {}).values()) == {"RUNNING"}


def require_running(plan: Plan, command: str, instead: str) -> None:
    """Raise TargetError, with what a start does `instead` of `command`, unless all servers run."""
    if not all_run(plan):
        raise TargetError(f"{command}: the stack does not run. Start it with `make up`; {instead}.")


def follow(plan: Plan, fingerprint: str) -> None:
    """Have the running supervisord know which files its servers run with now, and the limits that
    they need."""
    rendered.write([configuration(plan, fingerprint)])
    _call(plan).reloadConfig()  # of programs it only notes what would change


def allow_files(plan: Plan) -> None:
    """Let the running PgBouncer, and its successor after a crash, open as many files as the plan
    wants.

    Raises TargetError when the system does not.
    """
    wanted = plan.pooler.file_descriptors + OWN_FILES
    for process in map(psutil.Process, [_call(plan).getPID(), *process_ids(plan, "pgbouncer")]):
        soft, hard = process.rlimit(psutil.RLIMIT_NOFILE)
        if 0 <= soft < wanted:
            try:
                process.rlimit(
                    psutil.RLIMIT_NOFILE, (wanted, max(hard, wanted) if hard >= 0 else hard)
                )
            except psutil.AccessDenied:
                raise TargetError(
                    f"{wanted} open files are wanted, and the running stack may have {hard}. "
                    "Raise the limit (ulimit -n) and start it again with `make up`."
                ) from None


def process_ids(plan: Plan, name: str) -> list[int]:
    """Process ids of one server: the supervised one, else those that run on without a
    supervisord."""
    row = _ask(plan, lambda supervisor: supervisor.getProcessInfo(name))
    if row is not None:
        return [int(row["pid"])]
    program = services.servers(plan)[name][0].split()[0]
    return [process.pid for process in orphans.find(program, _plan_file(plan))]


def start_daemon(plan: Plan, fingerprint: str) -> None:
    """supervisord itself, unless it runs."""
    if states(plan) is not None:
        return
    wanted = configuration(plan, fingerprint)
    rendered.write([wanted])
    command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(wanted.path)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=plan.paths.root, umask=UMASK
    )
    if done.returncode and states(plan) is None:
        raise TargetError(f"supervisord: {done.stderr.strip() or done.stdout.strip()}")
    wait(lambda: states(plan) is not None, "supervisord", f"{plan.paths.log}/supervisord.log")


def start(plan: Plan, name: str) -> None:
    """One server, unless it runs."""
    try:
        _call(plan).startProcess(name, False)
    except xmlrpc.client.Fault as fault:
        if fault.faultCode not in NO_SUCH_STATE:
            raise TargetError(
                f"{name}: {fault.faultString}. See {plan.paths.log}/{name}.log."
            ) from None


def stop(plan: Plan) -> bool:
    """All servers in reverse order, then supervisord; False when nothing ran."""
    if states(plan) is None:
        return _stop_unsupervised(plan)
    for name in reversed(services.servers(plan)):
        try:
            _call(plan, 2 * STOP_SECONDS).stopProcess(name)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode not in NO_SUCH_STATE:
                raise TargetError(f"{name}: {fault.faultString}") from None
    daemon = psutil.Process(_call(plan).getPID())
    _call(plan).shutdown()
    wait(lambda: _ended(daemon), "supervisord's end", f"{plan.paths.log}/supervisord.log")
    return True


def _ended(process: psutil.Process) -> bool:
    """Whether it is gone, or waits for nothing but its parent."""
    try:
        return not process.is_running() or bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def _stop_unsupervised(plan: Plan) -> bool:
    running = unsupervised(plan)
    for name, (command, stop_signal) in reversed(services.servers(plan).items()):
        if name in running:
            processes = orphans.find(command.split()[0], _plan_file(plan))
            orphans.end(processes, signal.Signals[f"SIG{stop_signal}"], STOP_SECONDS)
    return bool(running)


def wait(
    condition: Any, what: str, log: str, seconds: float = START_SECONDS, pause: float = POLL_SECONDS
) -> None:
    """Poll `condition` until it holds. Raises TargetError naming `what` and the log to read."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            end = failure.log_end(Path(log))
            raise TargetError(f"{what}: not there after {seconds:.0f} s. {log} ends with:\n{end}")
        time.sleep(pause)
