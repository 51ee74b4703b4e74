"""The project's workers: a unit for each of their processes, which a change lets finish first.

None works with old code on what new pages ask of it, and PostgreSQL may restart without a task in
its way. Pages hand out tasks meanwhile; the queue keeps them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pgstack.live.probes import units
from pgstack.planning import services
from pgstack.planning.sizing.scale import MB
from pgstack.planning.work_names import PREFIX

from . import apache, commands, processes, safe, system
from .line import Line
from .safe import StackctlError
from .stack import Stack
from .system import UNITS

LOOK_SECONDS = 3
"""so long a worker must run, or it has not started: it imports the project in the meantime"""
STEADY_SECONDS = 10
"""that one has run which has recovered from its restarts"""
KILLED = "status=9/KILL"
"""how systemd reports that one was killed"""
AT_BOOT = UNITS / "multi-user.target.wants"
RECENT_SECONDS = 60
"""before it began last; it is started again within half of that"""
STATE = ("ActiveState", "NRestarts", "ActiveEnterTimestamp", "ExecMainStartTimestamp")


def apply(stack: Stack, again: bool = False) -> str:
    """Start the planned workers, or with `again` replace their processes; returns what was
    done. Raises StackctlError, with nothing changed, for a command that is not there."""
    release = apache.current(stack)
    commands.require(stack, release)
    return around(stack, release, again=again)


def around(
    stack: Stack, release: Path, change: Callable[[], str] | None = None, *, again: bool = False
) -> str:
    """Make a change; where it concerns workers they finish first, and those that are planned start
    after it. Returns what was done.

    When the change fails those of before run again. Raises StackctlError, with the change made,
    for one that ends at once.
    """
    wanted = _wanted(stack, release)
    before, planned = running(stack), _planned(stack)
    if not again and set(before) == set(planned) and wanted == _in_force(stack):
        return change() if change else "unchanged"
    with _held(stack, before):
        said = change() if change else ""
        _replace(stack, wanted)
    done = _start(stack, planned)
    return ", ".join(text for text in (said, done) if text not in ("", "unchanged"))


@contextmanager
def stopped(stack: Stack) -> Iterator[None]:
    """Within it no worker runs: each has ended what it did, or its grace was over. Afterwards they
    run again."""
    before = running(stack)
    with _held(stack, before):
        yield
    _run_again(stack, before)


@contextmanager
def _held(stack: Stack, names: list[str]) -> Iterator[None]:
    """They are stopped within it, and run again as they were when it fails. A mark remains if
    the command is killed meanwhile."""
    if names:
        safe.write(_mark(stack), "\n".join(names).encode())
        system.run("systemctl", "stop", *names)
        system.run("systemctl", "reset-failed", *names)
    try:
        yield
    except BaseException:
        _put_back(stack)
        _run_again(stack, names)
        raise


def resume(stack: Stack) -> str:
    """Start those that a stackctl has stopped which was killed meanwhile; returns what was done.
    To be called with the lock."""
    try:
        names = safe.read(_mark(stack)).decode().split()
    except FileNotFoundError:
        return ""
    _put_back(stack)
    there = [name for name in names if _template(name).exists()]
    _run_again(stack, there)
    return f"workers were stopped for a change that was cut off, and run again: {' '.join(there)}"


def _put_back(stack: Stack) -> None:
    """Put back the unit files in force: Ansible has overwritten them with those of the next
    plan."""
    for name, content in _in_force(stack).items():
        if name.endswith(".service"):
            safe.write(UNITS / name, content)


def _run_again(stack: Stack, names: list[str]) -> None:
    if names:
        system.run("systemctl", "start", *names)
    safe.remove(_mark(stack))


def running(stack: Stack) -> list[str]:
    """Units of this site's workers that run, or are started again and again."""
    return units.listed(f"{services.unit(stack, PREFIX)}*", "active", "activating")


def outdated(stack: Stack) -> list[str]:
    """Files that they run and that are gone."""
    return [file for name in running(stack) for file in processes.gone(system.main_process(name))]


def _wanted(stack: Stack, release: Path) -> dict[str, bytes]:
    """What those that are planned run with; nothing without one."""
    if not stack.workers:
        return {}
    templates = sorted({_template(name) for name in _planned(stack)})
    return {
        "plan.json": safe.read(stack.conf / "plan.json"),
        "release": str(release).encode(),
        "environment": apache.environment(stack),
        **{path.name: safe.read(path) for path in templates},
    }


def _in_force(stack: Stack) -> dict[str, bytes]:
    directory = stack.live("workers")
    return safe.contents(directory) if directory.is_dir() else {}


def _planned(stack: Stack) -> list[str]:
    return [name for names in services.worker_units(stack).values() for name in names]


def _replace(stack: Stack, wanted: dict[str, bytes]) -> None:
    """Enable the planned ones at boot, and forget all others."""
    planned, own = _planned(stack), services.unit(stack, PREFIX)
    system.fill(stack.live("workers"), wanted)
    gone = {path.name for path in AT_BOOT.glob(f"{own}*")} - set(planned)
    if gone:
        system.require("systemctl", "disable", "--quiet", *sorted(gone))
    for path in set(UNITS.glob(f"{own}*@.service")) - {_template(name) for name in planned}:
        safe.remove(path)
    system.require("systemctl", "daemon-reload")
    if planned:
        system.require("systemctl", "enable", "--quiet", *planned)
        safe.write(_mark(stack), "\n".join(planned).encode())


def _start(stack: Stack, planned: list[str]) -> str:
    """Start them, and see that they stay; returns what was done. Raises StackctlError."""
    since = time.time()
    _run_again(stack, planned)
    if not planned:
        return "no worker is left"
    if system.wait(lambda: bool(_ended_of(planned)), LOOK_SECONDS):
        first = _ended_of(planned)[0]
        raise StackctlError(
            f"{_short(stack, first)}: it ended at once, and is started again, later each time; "
            f"pages are served. It said:\n{_complaint(stack, first, since)}"
        )
    return f"workers run: {' '.join(_short(stack, name) for name in planned)}"


def _ended_of(names: list[str]) -> list[str]:
    states = {name: units.show(name, *STATE) for name in names}
    return [
        name
        for name, state in states.items()
        if state["ActiveState"] != "active" or state["NRestarts"] != "0"
    ]


def report(stack: Stack) -> list[Line]:
    """A line for each process that is planned, or runs."""
    names = dict.fromkeys([*_planned(stack), *running(stack)])
    return [_line(stack, name) for name in names]


def _line(stack: Stack, name: str) -> Line:
    text, short = _trouble(stack, name), _short(stack, name)
    said = f"{short} {text or 'runs'}"
    return Line("worker", said, not text, which=short, remedy=f"See `journalctl -u {name}`.")


def _trouble(stack: Stack, name: str) -> str:
    """What is wrong with one; empty when it runs."""
    if name not in _planned(stack):
        return f"is not planned: {stack.names.stackctl} apply workers"
    state = units.show(name, *STATE)
    begun = state["ActiveEnterTimestamp"].removeprefix("@")
    again = state["NRestarts"] not in ("", "0")
    if state["ActiveState"] == "activating" or (
        again and begun and time.time() - int(begun) < STEADY_SECONDS
    ):
        last_start = int(state["ExecMainStartTimestamp"].removeprefix("@") or 0)
        last = _complaint(stack, name, max(0, last_start - RECENT_SECONDS)).splitlines()[-1]
        return f"ends, and is started again each time: {last}; see journalctl -u {name}"
    if state["ActiveState"] != "active":
        return f"does not run. See journalctl -u {name}, then {stack.names.stackctl} apply workers"
    if halted := system.stopped(name):
        return f"runs, stopped by a signal; kill -CONT {' '.join(map(str, halted))}"
    return ""


def _complaint(stack: Stack, name: str, since: float) -> str:
    """What it said, or how it ended; for one that was killed the likely cause, whatever one before
    it said."""
    ended = system.last_end(name, since)
    if not ended.endswith(KILLED):
        return system.complaint(name, since)
    worker = _short(stack, name).partition("@")[0]
    own = next((each for each in stack.workers if each.name == worker), None)
    taken = f" than the {own.memory // MB} MB planned for it" if own else ""
    remedy = f"Give it more: `{worker}:400m=…` in stack_inputs.workers."
    return f"{ended}: likely it took more memory{taken}. {remedy}"


def _short(stack: Stack, name: str) -> str:
    """`mail@1` of `stack-worker-mail@1.service`."""
    return name.removeprefix(services.unit(stack, PREFIX)).removesuffix(".service")


def _template(name: str) -> Path:
    return UNITS / f"{name.partition('@')[0]}@.service"


def _mark(stack: Stack) -> Path:
    return stack.run / "workers-stopped"
