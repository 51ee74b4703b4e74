"""Whether the local target's servers do their work, which is more than that their processes are
there.

Every question has a timeout: a stopped server is reported within seconds, too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial

import psutil
import psycopg2

from pgstack.errors import ProbeError, StackError
from pgstack.live.probes import exporter, local, postgres, supervisord, valkey, web
from pgstack.ops import postgres as server
from pgstack.planning import layout
from pgstack.planning.plan import Plan
from pgstack.targets import external, supervision, workers
from pgstack.targets.schedule import status as schedule

PAGE_SECONDS = 5
OF_OTHERS = "NOT OURS"
"""in the place of a state: an external PostgreSQL"""


@dataclass(frozen=True)
class Server:
    """A server's name, its process's state, and what is wrong; nothing when it is empty. An entry
    of the schedule is shown like one."""

    name: str
    state: str
    trouble: str = ""
    told: str = ""
    """what else is to be said of it"""

    @property
    def works(self) -> bool:
        """Whether it runs and answers, or waits for its time."""
        return self.state in ("RUNNING", OF_OTHERS, schedule.WAITING) and not self.trouble


def servers(plan: Plan) -> list[Server]:
    """Each server, in starting order: all are asked at once. Raises TargetError when supervisord
    runs and says nothing. The caller ends every wait for a database (live.probes.bounded)."""
    states = _settled(plan) or supervision.unsupervised(plan)
    asked: dict[str, Callable[[Plan], None]] = {
        "postgres": _postgres,
        **{each.name: partial(_pgbouncer, port=each.port) for each in plan.pooler.processes},
        "valkey": _valkey,
        "apache": _apache,
        "metrics": _metrics,
    }
    halted = {process.pid for process in local.stopped(plan)}

    def told(name: str) -> Server:
        if name == OF_OTHERS:
            return _of_others(plan)
        state = states[name]
        ends = workers.trouble(plan, name, state) if supervision.is_worker(name) else ()
        trouble = (*_halted(plan, name, halted), *ends, *_trouble(plan, asked.get(name)))
        return Server(name, state, "; ".join(trouble))

    names = [*([OF_OTHERS] if states and plan.external else []), *states]
    with ThreadPoolExecutor(max(1, len(names))) as threads:
        answers = list(threads.map(told, names))
    return answers + [Server(*entry) for entry in schedule.entries(plan) if answers]


def _of_others(plan: Plan) -> Server:
    place = f"{plan.postgres.host}:{plan.postgres.port}"
    trouble = external.trouble(plan)
    return Server(
        "database", OF_OTHERS, f"{place}: {trouble}" if trouble else "", f"{place} answers"
    )


def _settled(plan: Plan) -> dict[str, str] | None:
    """What supervisord says once it knows of a server that it has just started whether that
    runs."""
    deadline = time.monotonic() + 2 * supervisord.RUNS_SECONDS
    while (
        "STARTING" in ((states := supervisord.states(plan)) or {}).values()
        and time.monotonic() < deadline
    ):
        time.sleep(supervision.POLL_SECONDS)
    return states


def _halted(plan: Plan, name: str, halted: set[int]) -> Iterator[str]:
    """The stopped processes among those of one server."""
    for first in supervision.process_ids(plan, name) if halted else ():
        with_children = {first, *(child.pid for child in _children(first))}
        if stopped := sorted(halted & with_children):
            yield f"stopped by a signal: process {', '.join(map(str, stopped))}"


def _children(process: int) -> list[psutil.Process]:
    try:
        return psutil.Process(process).children(recursive=True)
    except (psutil.NoSuchProcess, ValueError):
        return []


def _trouble(plan: Plan, ask: Callable[[Plan], None] | None) -> Iterator[str]:
    try:
        if ask:
            ask(plan)
    except (StackError, OSError, psycopg2.Error) as error:
        yield str(error).strip().splitlines()[0]


def _postgres(plan: Plan) -> None:
    """It answers straight, has room to write, and has met no page whose checksum is wrong. Raises
    ProbeError."""
    with closing(postgres.connect(plan, plan.roles.monitor)) as connection:
        if corrupted := postgres.corrupted(connection):
            raise ProbeError(f"{corrupted}. {postgres.CORRUPTED}")
    if full := server.full(plan.paths.data):
        raise ProbeError(full)


def _pgbouncer(plan: Plan, port: int) -> None:
    """A query comes back through the one with this port. Raises ProbeError."""
    login = layout.own_login(plan, plan.pooler.web_login)
    try:
        with (
            closing(
                psycopg2.connect(
                    host=plan.paths.run_pooler,
                    port=port,
                    user=login,
                    dbname=plan.postgres.database,
                    application_name="probe",
                )
            ) as client,
            client.cursor() as cursor,
        ):
            cursor.execute("SELECT 1")
    except psycopg2.Error as error:
        raise ProbeError(f"a query through it: {str(error).strip()}") from None


def _valkey(plan: Plan) -> None:
    """It answers, and its file takes what it writes. Raises ProbeError."""
    if plan.valkey and (wrong := valkey.ailments(valkey.info(plan.valkey))):
        raise ProbeError("; ".join(wrong))


def _metrics(plan: Plan) -> None:
    """It answers; what it does not reach is told where it belongs. Raises ProbeError."""
    if plan.metrics:
        exporter.scrape(plan.metrics)


def _apache(plan: Plan) -> None:
    """A page comes back through it and Django. Raises ProbeError."""
    web.ask(plan, "readyz", seconds=PAGE_SECONDS)


def cut_off(plan: Plan) -> str:
    """What a command left that was killed while it changed the stack; empty when there is
    nothing."""
    command = local.cut_off(plan)
    remedy = f"Run `make {command}` again"
    return (
        f"{command} was cut off: old and new are in force side by side. {remedy}" if command else ""
    )
