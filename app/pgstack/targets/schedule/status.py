"""What `make status` says of each entry."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from pgstack.live.probes import schedule as probe
from pgstack.live.probes.schedule import Record, moment
from pgstack.planning.background import Entry
from pgstack.planning.plan import Plan
from pgstack.planning.work_names import SCHEDULED
from pgstack.targets import failure
from pgstack.targets.schedule.process import log

LOGS = "`docker compose logs background`"
RUNNING, WAITING, FAILED, OVERDUE = "RUNNING", "WAITING", "FAILED", "OVERDUE"


def entries(plan: Plan) -> Iterator[tuple[str, str, str, str]]:
    """Name, state, what is wrong and else what is to be said of each."""
    records, now = probe.records(plan), datetime.now(UTC)
    for entry in plan.schedule:
        record = records.get(entry.name)
        state, trouble, told = _state_of(plan, entry, record, now)
        yield f"{SCHEDULED}{entry.name}", state, trouble, told


def _state_of(
    plan: Plan, entry: Entry, record: Record | None, now: datetime
) -> tuple[str, str, str]:
    if late := probe.late(entry, record, now):
        own = f"{plan.paths.log}/schedule.log" if log(plan, entry.name) else LOGS
        return OVERDUE, f"{late}. See {own}; `make up` starts what is down", ""
    assert record is not None  # noqa: S101 - it would be late
    if record.process and record.begun:
        return RUNNING, "", f"since {moment(record.begun)}"
    following = f"next {moment(probe.due(entry.cron, record.since))}"
    if record.failed and record.begun:
        return FAILED, f"{_failure(plan, entry, record)}; {following}", ""
    if record.begun is None or record.ended is None:
        return WAITING, "", f"has not run yet; {following}"
    took = (record.ended - record.begun).total_seconds()
    return WAITING, "", f"ended with 0 after {took:.1f} s, {moment(record.begun)}; {following}"


def _failure(plan: Plan, entry: Entry, record: Record) -> str:
    ways = {
        "limit": f"was ended after its limit of {entry.limit} s, which "
        f"{entry.name}:2h=… in STACK_SCHEDULE changes",
        "stopped": "was ended with the stack, or by a change of it",
        "": f"ended with {record.exit}",
    }
    path = log(plan, entry.name)
    last = next(
        (line for line in reversed(_lines(plan, entry)) if f" UTC {entry.name} " not in line), ""
    )
    good = moment(record.succeeded) if record.succeeded else "none"
    return (
        f"{ways[record.cut]}, {moment(record.begun or record.since)}; last success: {good}; "
        f"see {path or LOGS}" + (f", where it says: {last.strip()}" if last else "")
    )


def _lines(plan: Plan, entry: Entry) -> list[str]:
    path = log(plan, entry.name)
    return failure.log_end(path, shown=4).splitlines() if path else []
