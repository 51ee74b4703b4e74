"""`python -m pgstack.targets.background`: what Compose's service `background` runs, the project's
workers and what begins its scheduled commands, below a supervisord of their own.

With `commands`, whether the project has the commands of all: status 2 with the first that it has
not. With `wanted`, whether it has those that the inputs name now, where a stack was started.
"""

from __future__ import annotations

import configparser
import os
import sys
from pathlib import Path

from pgstack import idle
from pgstack.errors import StackError, ends_the_process
from pgstack.live.probes import supervisord
from pgstack.planning import services, state
from pgstack.planning.background import SCHEDULER
from pgstack.planning.plan import Plan
from pgstack.targets import programs, project, workers
from pgstack.targets.run import Run
from pgstack.targets.schedule.scheduler import FINISH_SECONDS

LOGGED = {
    "autostart": "true",
    "stdout_logfile": "/dev/fd/1",
    "stdout_logfile_maxbytes": "0",
    "stdout_logfile_backups": "0",
}


def main() -> None:
    """Become supervisord, or wait for the end; or ask the one that runs."""
    with ends_the_process():
        if sys.argv[1:] == ["wanted"]:
            _require_wanted()
            return
        plan = state.started_plan()
        if sys.argv[1:] == ["commands"]:
            workers.require_commands(Run(plan, print))
        elif plan.commands:
            path = Path(plan.paths.run_workers, "supervisord.conf")
            with path.open("w") as file:
                _configuration(plan).write(file)
            words = [sys.executable, "-m", "supervisor.supervisord", "-n", "-c", str(path)]
            os.execv(words[0], words)  # noqa: S606 - no shell is wanted
        else:
            idle.until_told(
                "background: STACK_WORKERS and STACK_SCHEDULE name nothing; nothing runs"
            )


def _require_wanted() -> None:
    """Raise InputError for a command that is not there. Where no plan is in force, or one of
    another version, the project's settings cannot be read yet: `migrate` looks then."""
    try:
        state.started_plan()
    except StackError:
        return
    if state.inputs().external:  # its plan takes a server that answers: `migrate` looks then
        return
    workers.require_commands(Run(state.fresh_plan(), print))


def _configuration(plan: Plan) -> configparser.RawConfigParser:
    """supervisord.conf; the engine keeps what is logged."""
    run = plan.paths.run_workers
    parser = configparser.RawConfigParser()
    parser["unix_http_server"] = {"file": supervisord.socket_path(plan), "chmod": "0770"}
    parser["supervisord"] = {
        "logfile": "/dev/null",
        "logfile_maxbytes": "0",
        "pidfile": f"{run}/supervisord.pid",
        "umask": f"{project.UMASK:03o}",
    }
    parser["rpcinterface:supervisor"] = programs.RPC
    for service in services.workers(plan):
        for name in service.names:
            parser[programs.SECTION + name] = programs.worker(plan, service, name) | LOGGED
    if plan.schedule:
        parser[programs.SECTION + SCHEDULER] = programs.scheduler(plan, FINISH_SECONDS) | LOGGED
    return parser


if __name__ == "__main__":
    main()
