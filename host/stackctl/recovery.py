"""The target of a restore: parsed, checked before anything is touched, and passed to pgBackRest."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from .backup import Kept
from .safe import StackctlError

FORMS = (
    "Give latest, a time with its zone such as '2026-11-24 13:00:00+00', xid:NUMBER or "
    "name:RESTORE-POINT."
)


@dataclass(frozen=True)
class Target:
    """What PostgreSQL is to stop at; `moment` in seconds since 1970 where it is a time."""

    kind: str
    value: str = ""
    moment: float | None = None


def parse(text: str) -> Target:
    """The target that somebody typed. Raises StackctlError with the forms there are."""
    text = text.strip()
    kind, colon, value = text.partition(":")
    if text == "latest":
        return Target("latest")
    if colon and kind == "xid" and re.fullmatch(r"[1-9][0-9]{0,19}", value):
        return Target("xid", value)
    if colon and kind == "name" and re.fullmatch(r"[\w.@ -]{1,63}", value):
        return Target("name", value)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise StackctlError(f"{text!r} is not a restore target. {FORMS}") from None
    if moment.tzinfo is None:
        raise StackctlError(
            f"{text!r} does not say its time zone. Add it, such as '{text}+00' for UTC."
        )
    return Target("time", f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}+00", moment.timestamp())


def choose(target: Target, kept: Sequence[Kept], now: float, label: str = "") -> Kept:
    """The backup to begin with: `label`, else the newest that ended before the target. Raises
    StackctlError.

    A transaction's number or a restore point's name does not show its time: there it is the newest.
    """
    if not kept:
        raise StackctlError("There is no backup. See `stackctl backups`.")
    if target.moment is not None and target.moment > now:
        raise StackctlError(f"{target.value} is in the future: it is {moment_text(now)}.")
    fitting = [backup for backup in kept if target.moment is None or backup.ended <= target.moment]
    if not fitting:
        oldest = f"{kept[0].label}, at {moment_text(kept[0].ended)}"
        raise StackctlError(f"{target.value} is before the end of the oldest backup, {oldest}.")
    if not label:
        return fitting[-1]
    chosen = next((backup for backup in fitting if backup.label == label), None)
    if chosen is None:
        raise StackctlError(
            f"{label}: no backup of that name ended before the target. There are: "
            f"{', '.join(backup.label for backup in fitting)}."
        )
    return chosen


def options(target: Target, begin: Kept, timeline: str = "") -> list[str]:
    """Options of `pgbackrest restore` that lead from the backup `begin` to `target`."""
    words = [f"--set={begin.label}"]
    if target.kind == "latest":
        words.append("--type=default")
    else:
        words += [f"--type={target.kind}", f"--target={target.value}", "--target-action=promote"]
    return [*words, f"--target-timeline={timeline}"] if timeline else words


def moment_text(moment: float) -> str:
    """`2026-11-24 03:00:12+00`, of seconds since 1970."""
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M:%S}+00"
