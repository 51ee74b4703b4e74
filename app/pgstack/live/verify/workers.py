"""Checks of the project's workers: that they run, and whose backends they use."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress

import psutil

from pgstack.live.probes import local, postgres
from pgstack.live.verify.finding import Outcome, judge
from pgstack.live.verify.live import Live
from pgstack.planning.background import VARIABLE
from pgstack.planning.plan import Plan

SEE = "See its log and `make status`."


def running(live: Live) -> Outcome:
    """As many processes of each worker as planned."""
    plan = live.plan
    planned = Counter({worker.name: worker.processes for worker in plan.workers})
    found = Counter(name for _, name in _workers(plan))
    wrong = [
        f"{found[name]} processes of {name}, planned {planned[name]}"
        for name in sorted(planned | found)
        if found[name] != planned[name]
    ]
    shape = ", ".join(f"{count} x {name}" for name, count in planned.items())
    return judge(wrong, f"{shape} run", SEE)


def pooled(live: Live) -> Outcome:
    """Their pool has the settings that were planned, and none of them is at that of the pages."""
    plan, tasks = live.plan, live.plan.background
    if tasks is None:
        return Outcome(None, "no pool of workers is planned")
    with live.clients(1, tasks.database) as (client,):
        wrong = [
            f"{name}: planned {wanted!r}, live {got!r}"
            for name, (wanted, got) in postgres.different(
                tasks.settings, postgres.settings(client, list(tasks.settings))
            ).items()
        ]
    families = {member.pid: name for process, name in _workers(plan) for member in _family(process)}
    clients = [row for row in live.show("CLIENTS") if int(row["remote_pid"] or 0) in families]
    strays = {
        families[int(row["remote_pid"])] for row in clients if row["database"] != tasks.database
    }
    wrong += [f"{name} uses the pool of the pages" for name in sorted(strays)]
    found = (
        f"{tasks.pool_size} + {tasks.reserve_pool_size} backends, {len(clients)} connections of "
        "workers, all of them there"
    )
    return judge(
        wrong, found, "`default` in a worker comes from pgstack.settings.databases(). Restart it."
    )


def _workers(plan: Plan) -> list[tuple[psutil.Process, str]]:
    """The first process of each worker that the supervisor started, and the worker's name."""
    found = []
    for process in local.supervisor(plan).children():
        with suppress(psutil.Error):
            if name := process.environ().get(VARIABLE):
                found.append((process, name))
    return found


def _family(process: psutil.Process) -> list[psutil.Process]:
    with suppress(psutil.Error):
        return [process, *process.children(recursive=True)]
    return []
