"""STACK_SCHEDULE: `NAME=WHEN COMMAND; …`, with what differs from the defaults behind the name:
`NAME:20m:300MB=WHEN COMMAND`. Times are UTC."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

from pydantic import BeforeValidator

from pgstack.planning import named_commands

TIME = re.compile("([01][0-9]|2[0-3]):([0-5][0-9])")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
LAST_DAY = 28
"""that every month has"""
SECONDS = {"s": 1, "m": 60, "h": 3600}
LONGEST_LIMIT_HOURS = 24
MINUTES, HOURS = 60, 24


class When(NamedTuple):
    """When it begins: as it was asked for, in the words of crontab(5), in those of
    systemd.time(7)."""

    text: str
    cron: str
    calendar: str


@dataclass(frozen=True)
class ScheduleInput:
    """One entry as it was asked for; None where the planner decides."""

    name: str
    command: tuple[str, ...]
    when: When
    limit: int | None = None
    """seconds"""
    memory: int | None = None
    """bytes"""


def parse_schedule(text: object) -> object:
    """The entries of a list separated by semicolons."""
    return named_commands.parse(text, FORM, _entry) if isinstance(text, str) else text


def _entry(name: str, words: list[str], attributes: dict[str, Any]) -> ScheduleInput:
    kind, *rest = words or [""]
    if kind not in KINDS:
        raise ValueError(
            f"{name} is to run {kind!r}; expected {', '.join(each for each, _ in KINDS.values())}"
        )
    form, read = KINDS[kind]
    count = form.count(" ")
    said = rest[:count]
    if len(said) < count:
        raise ValueError(f"{name} is to run {' '.join(words)!r}; expected `{form}`")
    try:
        cron, calendar = read(*said)
    except ValueError as error:
        raise ValueError(f"{name} is to run {' '.join([kind, *said])!r}: {error}") from None
    command = tuple(rest[count:]) or ("manage.py", name)
    when = When(" ".join([kind, *said]), cron, f"{calendar}:00 UTC")
    return ScheduleInput(name, command, when, **attributes)


def _every(period: str) -> tuple[str, str]:
    match = re.fullmatch(r"(\d{1,4})([mhd])", period)
    if match is None:
        raise ValueError("expected minutes, hours or a day, such as 5m, 2h or 1d")
    count, unit = int(match[1]), match[2]
    if (count, unit) == (1, "d"):
        return "0 0 * * *", "*-*-* 00:00"
    if (count, unit) == (MINUTES, "m"):
        return _hourly()
    whole, name = {"m": (MINUTES, "an hour"), "h": (HOURS, "a day"), "d": (1, "one day")}[unit]
    if count == 0 or whole % count:
        steps = ", ".join(f"{step}{unit}" for step in range(1, whole + 1) if whole % step == 0)
        raise ValueError(f"{period} does not divide {name}; expected one of {steps}")
    if unit == "m":
        return f"*/{count} * * * *", f"*-*-* *:00/{count}"
    return (
        (f"0 */{count} * * *", f"*-*-* 00/{count}:00")
        if count < whole
        else ("0 0 * * *", "*-*-* 00:00")
    )


def _hourly() -> tuple[str, str]:
    return "0 * * * *", "*-*-* *:00"


def _daily(time: str) -> tuple[str, str]:
    hour, minute = _time(time)
    return f"{minute} {hour} * * *", f"*-*-* {time}"


def _weekly(day: str, time: str) -> tuple[str, str]:
    hour, minute = _time(time)
    if day.lower() not in DAYS:
        raise ValueError(f"{day} is not a day of the week; expected one of {', '.join(DAYS)}")
    return f"{minute} {hour} * * {day.lower()}", f"{day.capitalize()} *-*-* {time}"


def _monthly(day: str, time: str) -> tuple[str, str]:
    hour, minute = _time(time)
    if not day.isdecimal() or not 1 <= int(day) <= LAST_DAY:
        raise ValueError(f"{day} is not a day that every month has; expected 1 to {LAST_DAY}")
    return f"{minute} {hour} {int(day)} * *", f"*-*-{int(day):02d} {time}"


def _time(text: str) -> tuple[int, int]:
    match = TIME.fullmatch(text)
    if match is None:
        raise ValueError(f"{text} is not a time; expected HH:MM from 00:00 to 23:59, in UTC")
    return int(match[1]), int(match[2])


KINDS: dict[str, tuple[str, Callable[..., tuple[str, str]]]] = {
    "every": ("every 5m", _every),
    "hourly": ("hourly", _hourly),
    "daily": ("daily 04:00", _daily),
    "weekly": ("weekly mon 04:00", _weekly),
    "monthly": ("monthly 1 04:00", _monthly),
}
"""by the first word: how the words behind it are written, and what reads them"""


def _limit(name: str, match: re.Match[str]) -> dict[str, Any]:
    limit = int(match[1]) * SECONDS[match[2]]
    if not 1 <= limit <= LONGEST_LIMIT_HOURS * SECONDS["h"]:
        raise ValueError(f"{name} may take {match[0]}; expected 1s to {LONGEST_LIMIT_HOURS}h")
    return {"limit": limit}


FORM = named_commands.Form(
    singular="an entry",
    many="entries",
    name=re.compile("[a-z][a-z0-9_-]{0,39}"),
    name_form="up to 40 of a-z, 0-9, _ and -, a letter first",
    expected="WHEN COMMAND",
    example="clearsessions=daily 04:00",
    readers={r"(\d{1,6})([smh])": _limit, r"\d+[kmgtKMGT]i?[bB]": named_commands.memory},
    attributes="20m or 90s or 2h (time that a run may take), 300MB (memory)",
)

Schedule = Annotated[tuple[ScheduleInput, ...], BeforeValidator(parse_schedule)]
