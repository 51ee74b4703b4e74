"""What the scheduler has noted of each entry, and when each is due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from cronsim import CronSim
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from pgstack.planning.background import Entry
from pgstack.planning.plan import Plan
from pgstack.planning.work_names import KILL_SECONDS

LATE_SECONDS = 90
"""after which an entry is overdue that has not begun: the scheduler looks once a second, and waits
for a command that changes the stack"""


class Record(BaseModel):
    """What is known of an entry; times are UTC."""

    model_config = ConfigDict(frozen=True)

    cron: str
    """that the scheduler goes by"""
    since: datetime
    """from when the next one counts: the last beginning, or when the entry was first seen"""
    process: int = 0
    """number of the one that runs, 0: none does"""
    begun: datetime | None = None
    """the last one, as the next three"""
    ended: datetime | None = None
    exit: int | None = None
    """its status; a signal that ended it counts negative"""
    cut: Literal["", "limit", "stopped"] = ""
    """why the scheduler ended it"""
    succeeded: datetime | None = None
    """beginning of the last one that ended with 0"""

    @property
    def failed(self) -> bool:
        """Whether the last one that ended did so badly."""
        return self.ended is not None and (self.exit != 0 or self.cut != "")


RECORDS = TypeAdapter(dict[str, Record])


def file(plan: Plan) -> Path:
    """File with the last run of each entry."""
    return Path(plan.paths.schedule, "runs.json")


def records(plan: Plan) -> dict[str, Record]:
    """By the names of entries; nothing where nothing has been noted, or what was is no longer
    readable."""
    try:
        return RECORDS.validate_json(file(plan).read_bytes())
    except (FileNotFoundError, ValidationError):
        return {}


def due(cron: str, since: datetime) -> datetime:
    """The first time after `since` at which `cron` begins a run, in UTC."""
    return next(CronSim(cron, since.astimezone(UTC)))


def late(entry: Entry, record: Record | None, now: datetime) -> str:
    """What should have happened by now and has not; empty when nothing."""
    if record is None:
        return "the scheduler has not seen it yet"
    if record.process and record.begun:
        most = timedelta(seconds=entry.limit + KILL_SECONDS + LATE_SECONDS)
        return "it runs on beyond its limit" if now - record.begun > most else ""
    expected = due(entry.cron, record.since)
    if now - expected > timedelta(seconds=LATE_SECONDS):
        return f"it was due at {moment(expected)} and has not begun"
    return ""


def moment(time: datetime) -> str:
    """A time as logs show it: `2026-11-24 03:00:12 UTC`."""
    return f"{time:%Y-%m-%d %H:%M:%S} UTC"
