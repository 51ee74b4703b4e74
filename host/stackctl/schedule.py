"""What is scheduled on this host: systemd's timers, brought into force, taken away and told."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from pgstack.live.probes import units
from pgstack.planning import services
from pgstack.planning.background import Entry
from pgstack.planning.sizing.scale import MB
from pgstack.planning.work_names import SCHEDULED

from . import apache, commands, safe, system
from .line import Line
from .stack import Stack

STAMPS = Path("/var/lib/systemd/timers")
"""where systemd keeps when a timer last came, across boots"""
SERVICE = (
    "ActiveState",
    "Result",
    "ExecMainCode",
    "ExecMainStatus",
    "ExecMainStartTimestamp",
    "ExecMainExitTimestamp",
)
SUCCESS = "success"
KILLED = "9"


def apply(stack: Stack, *, again: bool = False) -> str:
    """Start the planned timers and remove all others; returns what was done.

    Raises StackctlError, with the timers as they were, for a command that the release does not
    have.
    """
    commands.require(stack, apache.current(stack))
    entries = {entry.name: entry for entry in stack.schedule}
    gone = [name for name in _installed_entries(stack) if name not in entries]
    for name in gone:
        _remove(stack, name)
    changed = [
        entry.name
        for entry in entries.values()
        if again or not units.waits(_timer(stack, entry.name), entry)
    ]
    for name in changed:
        system.run("systemctl", "stop", _timer(stack, name))
        _come(stack, name)
    system.require("systemctl", "daemon-reload")
    for name in changed:
        system.require("systemctl", "enable", "--now", _timer(stack, name))
    done = [*(f"{name} waits" for name in changed), *(f"{name} is gone" for name in gone)]
    return ", ".join(done) or "unchanged"


@contextmanager
def stopped(stack: Stack) -> Iterator[None]:
    """Within it nothing begins, and runs have ended or got their stop signal; afterwards timers
    wait again."""
    waiting = [name for name in _installed_entries(stack) if system.active(_timer(stack, name))]
    for name in waiting:
        system.stop(_timer(stack, name))
        system.stop(_service(stack, name))
    try:
        yield
    finally:
        _wait_again(stack, waiting)


def resume(stack: Stack) -> None:
    """Have all wait again, after a change that was cut off."""
    _wait_again(stack, _installed_entries(stack))


def _wait_again(stack: Stack, names: list[str]) -> None:
    for name in names:
        system.run("systemctl", "start", _timer(stack, name))


def report(stack: Stack) -> list[Line]:
    """The state of each scheduled command, a line each."""
    return [_line(stack, entry) for entry in stack.schedule]


def _line(stack: Stack, entry: Entry) -> Line:
    waits, service = units.waits(_timer(stack, entry.name), entry), _service(stack, entry.name)
    known = units.show(service, *SERVICE)
    text, good = _last(entry, known)
    see = f"; see journalctl -u {service}"
    if not waits:
        apply = f"{stack.names.stackctl} apply schedule"
        text = f"{entry.name} does not wait for its time: {apply}"
        return Line("schedule", text, good=False, which=entry.name, remedy=f"`{apply}`")
    following = units.show(_timer(stack, entry.name), "NextElapseUSecRealtime")[
        "NextElapseUSecRealtime"
    ]
    told = f"{entry.name} {text}; next {_moment(following)}{'' if good else see}"
    remedy = f"See `journalctl -u {service}`."
    return Line("schedule", told, good, which=entry.name, remedy=remedy)


def _last(entry: Entry, known: dict[str, str]) -> tuple[str, bool]:
    """What there is to say of its last run, and whether that is good."""
    begun = known["ExecMainStartTimestamp"]
    if known["ActiveState"] == "activating":
        return f"runs since {_moment(begun)}", True
    if not begun:
        return "has not run since the host started", True
    result, code = known["Result"], known["ExecMainStatus"]
    if result == "timeout":
        limit = f"was ended after its limit of {entry.limit} s ({entry.name}:2h=… changes it)"
        return f"{limit}, {_moment(begun)}", False
    if result == "oom-kill" or (result, code) == ("signal", KILLED):
        limit = f"was killed, likely for more than its {entry.memory // MB} MB"
        return f"{limit} ({entry.name}:300MB=… changes it), {_moment(begun)}", False
    took = _seconds(known["ExecMainExitTimestamp"]) - _seconds(begun)
    reason = "" if result in (SUCCESS, "exit-code") else f" ({result})"
    return f"ended with {code}{reason} after {took} s, {_moment(begun)}", result == SUCCESS


def _seconds(stamp: str) -> int:
    """Since 1970, of what `systemctl --timestamp=unix` says; now where it says nothing."""
    return int(stamp.removeprefix("@")) if stamp.startswith("@") else int(time.time())


def _moment(stamp: str) -> str:
    if not stamp.startswith("@"):
        return stamp or "unknown"
    return f"{datetime.fromtimestamp(_seconds(stamp), UTC):%Y-%m-%d %H:%M:%S} UTC"


def _installed_entries(stack: Stack) -> list[str]:
    """Names of the entries whose timers are on this host."""
    own = services.unit(stack, SCHEDULED)
    return sorted(path.stem.removeprefix(own) for path in system.UNITS.glob(f"{own}*.timer"))


def _remove(stack: Stack, name: str) -> None:
    """Stop it, a run of it too, and forget it."""
    system.run("systemctl", "disable", "--now", _timer(stack, name))
    system.stop(_service(stack, name))
    for path in (
        system.UNITS / _timer(stack, name),
        system.UNITS / _service(stack, name),
        STAMPS / f"stamp-{_timer(stack, name)}",
    ):
        safe.remove(path)


def _come(stack: Stack, name: str) -> None:
    """An entry that is new, or whose times are, counts from now on."""
    STAMPS.mkdir(mode=0o755, exist_ok=True)
    (STAMPS / f"stamp-{_timer(stack, name)}").touch()


def _timer(stack: Stack, name: str) -> str:
    return services.unit(stack, f"{SCHEDULED}{name}.timer")


def _service(stack: Stack, name: str) -> str:
    return services.unit(stack, f"{SCHEDULED}{name}.service")
