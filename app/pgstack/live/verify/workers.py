"""Checks of the project's workers: that they run, and whose backends they use."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import Any

import psutil

from pgstack.errors import ProbeError
from pgstack.live.probes import local, postgres, supervisord, units
from pgstack.live.verify.finding import Outcome, judge
from pgstack.live.verify.live import CheckSkipped, Live
from pgstack.planning import services, targets
from pgstack.planning.background import APPLICATION, VARIABLE
from pgstack.planning.plan import Plan
from pgstack.planning.service import MACHINE
from pgstack.planning.work_names import PREFIX

SEE = "See its log and `make status`."


def running(live: Live) -> Outcome:
    """As many processes of each worker as planned."""
    plan = live.plan
    planned = Counter({worker.name: worker.processes for worker in plan.workers})
    on_units = MACHINE in plan.services
    counts = _units(plan) if on_units else _supervised(plan)
    if counts is None:
        return Outcome(False, "nothing supervises them", "Start the stack again.")
    wrong = [
        f"{counts[name]} processes of {name}, planned {planned[name]}"
        for name in sorted(planned | counts)
        if counts[name] != planned[name]
    ]
    shape = ", ".join(f"{count} x {name}" for name, count in planned.items())
    remedy = f"See `{plan.names.stackctl} status`." if on_units else SEE
    return judge(wrong, f"{shape} run", remedy)


def _supervised(plan: Plan) -> Counter[str] | None:
    """Processes of each worker that supervisord runs; None without one."""
    states = supervisord.states(plan)
    if states is None:
        return None
    running = [name for name, state in states.items() if state == "RUNNING"]
    return Counter(
        name.removeprefix(PREFIX).rpartition("-")[0] for name in running if name.startswith(PREFIX)
    )


def _units(plan: Plan) -> Counter[str]:
    """Processes of each worker that systemd runs. Raises CheckSkipped where it does not answer."""
    own = services.unit(plan, PREFIX)
    try:
        running = units.listed(f"{own}*", "active")
    except ProbeError as error:
        raise CheckSkipped(str(error)) from None
    return Counter(name.removeprefix(own).partition("@")[0] for name in running)


def pooled(live: Live) -> Outcome:
    """Their pool has the settings that were planned, and none of them is at that of the pages."""
    tasks = live.plan.background
    if tasks is None:
        return Outcome(None, "no pool of workers is planned")
    with live.clients(1, tasks.database) as (client,):
        wrong = [
            f"{name}: planned {wanted!r}, live {got!r}"
            for name, (wanted, got) in postgres.different(
                tasks.settings, postgres.settings(client, list(tasks.settings))
            ).items()
        ]
    families = _families(live.plan)
    owners = [(_owner(row, families), row["database"]) for row in live.show("CLIENTS")]
    clients = [(owner, database) for owner, database in owners if owner]
    strays = {owner for owner, database in clients if database != tasks.database}
    wrong += [f"{name} uses the pool of the pages" for name in sorted(strays)]
    detail = (
        f"{tasks.pool_size} + {tasks.reserve_pool_size} backends, {len(clients)} connections of "
        "workers, all of them there"
    )
    return judge(
        wrong, detail, "`default` in a worker comes from pgstack.settings.databases(). Restart it."
    )


def _owner(row: dict[str, Any], families: dict[int, str]) -> str:
    """The worker that a client of PgBouncer belongs to; empty for any other.

    Where its process cannot be seen, the name is believed that it gave itself.
    """
    if families:
        return families.get(int(row["remote_pid"] or 0), "")
    name = str(row.get("application_name") or "")
    return name.removeprefix(APPLICATION) if name.startswith(APPLICATION) else ""


def _families(plan: Plan) -> dict[int, str]:
    """Worker, or entry of the schedule, by process; empty where processes cannot be seen."""
    if not targets.of(plan.target).sees_processes:
        return {}
    families: dict[int, str] = {}
    for process in local.processes(plan):
        with suppress(psutil.Error):
            if name := process.environ().get(VARIABLE):
                families[process.pid] = name
    return families
