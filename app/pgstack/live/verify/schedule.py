"""A check of the schedule: that what begins it goes by what was planned, and is not late."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from pgstack.errors import ProbeError
from pgstack.live.probes import schedule as probe
from pgstack.live.probes import supervisord, units
from pgstack.live.verify.finding import Outcome, judge
from pgstack.live.verify.live import CheckSkipped, Live
from pgstack.planning import services
from pgstack.planning.background import SCHEDULER
from pgstack.planning.plan import Plan
from pgstack.planning.service import MACHINE
from pgstack.planning.work_names import SCHEDULED


def followed(live: Live) -> Outcome:
    """Each entry waits for its times."""
    plan = live.plan
    on_units = MACHINE in plan.services
    wrong = list(_timers(plan) if on_units else _scheduler(plan))
    told = ", ".join(f"{entry.name} {entry.when}" for entry in plan.schedule)
    remedy = (
        f"Run `{plan.names.stackctl} apply schedule`."
        if on_units
        else "See `make status`, and the scheduler's log."
    )
    return judge(wrong, told, remedy)


def _scheduler(plan: Plan) -> Iterator[str]:
    """It runs, goes by each entry's times, and nothing is overdue."""
    if (supervisord.states(plan) or {}).get(SCHEDULER) != "RUNNING":
        yield "the scheduler does not run"
    records, now = probe.records(plan), datetime.now(UTC)
    for entry in plan.schedule:
        record = records.get(entry.name)
        if record and record.cron != entry.cron:
            yield f"{entry.name} goes by {record.cron}, planned {entry.cron}"
        elif late := probe.late(entry, record, now):
            yield f"{entry.name}: {late}"
    for name in records.keys() - {entry.name for entry in plan.schedule}:
        yield f"{name} is not planned"


def _timers(plan: Plan) -> Iterator[str]:
    try:
        for entry in plan.schedule:
            if not units.waits(services.unit(plan, f"{SCHEDULED}{entry.name}.timer"), entry):
                yield f"{entry.name} does not wait for {entry.when}"
    except ProbeError as error:
        raise CheckSkipped(str(error)) from None
