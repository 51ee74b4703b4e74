"""What serves on this host: whether each server runs, and whether it answers, in bounded time."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from pgstack.ops import postgres as server
from pgstack.planning import services

from . import apache, front, observability, pgbouncer, postgres, system
from .line import Line
from .stack import Stack

ANSWER_SECONDS = 5
"""for each server: a query takes a millisecond, and an administrator does not want to wait"""


def release(stack: Stack) -> list[Line]:
    """A line for the release, where there is one."""
    if "apache" not in stack.services:
        return []
    link = stack.root / "previous"
    before = link.readlink().name if link.is_symlink() else "none"
    return [Line("release", f"{apache.current(stack).name}, before it {before}")]


def of_postgres(stack: Stack) -> Line:
    """PostgreSQL, or where it is."""
    if "postgres" not in stack.services:
        here = "; this host is the witness, with etcd alone" if "etcd" in stack.services else ""
        return Line("postgres", f"on {stack.postgres.host}{here}")
    unit = postgres.unit(stack)
    if not system.active(unit):
        return _down("postgres", unit, stack.names.stackctl)
    line = _line("postgres", "runs", unit, postgres.trouble(stack, ANSWER_SECONDS))
    with suppress(FileNotFoundError):  # before a member has copied the leader
        if full := server.full(stack.paths.data):
            return replace(line, text=f"{line.text}; {full}", good=False)
    return line


def of_pgbouncer(stack: Stack) -> Line:
    """The instance that clients find."""
    instance = pgbouncer.serving(stack)
    if instance is None:
        return _down("pgbouncer", pgbouncer.unit(stack, "a"), stack.names.stackctl)
    wrong = pgbouncer.trouble(stack, Path(stack.paths.run_pooler), ANSWER_SECONDS)
    units = pgbouncer.units(stack, instance)
    runs = f"instance {instance}" + (f", {len(units)} processes" if len(units) > 1 else "")
    unit = next(filter(system.stopped, units), units[0])
    return _line("pgbouncer", runs, unit, wrong)


def of_unit(stack: Stack, name: str, trouble: Callable[[Stack, float], str]) -> Line:
    """A server that is one unit of the stack's own."""
    unit = services.unit(stack, f"{name}.service")
    if not system.active(unit):
        return _down(name, unit, stack.names.stackctl)
    return _line(name, "runs", unit, trouble(stack, ANSWER_SECONDS))


def of_observability(stack: Stack) -> Line:
    """Prometheus and what belongs to it."""
    for unit in observability.units(stack):
        if not system.active(unit):
            return _down("observability", unit, stack.names.stackctl)
    wrong = observability.trouble(stack, ANSWER_SECONDS)
    return Line("prometheus", f"runs, but {wrong}" if wrong else "runs", not wrong)


def of_apache(stack: Stack) -> Line:
    """The instance that answers."""
    instance = apache.serving(stack)
    if instance is None:
        return _down("apache", apache.unit(stack, "a"), stack.names.stackctl)
    wrong = apache.trouble(stack, instance, ANSWER_SECONDS)
    return _line("apache", f"instance {instance}", apache.unit(stack, instance), wrong)


def of_front(stack: Stack) -> Line:
    """Of the Apache that answers for all sites of this host."""
    instance = front.serving()
    if instance is None:
        return _down("front", front.unit("a"), stack.names.stackctl)
    return _line("front", f"instance {instance}", front.unit(instance), "")


def _down(name: str, unit: str, program: str) -> Line:
    journal = f"journalctl -u '{unit.replace('@a', '@*')}'"
    start = f"{program} apply {name}"
    text = f"does not run. See {journal}, then {start}"
    remedy = f"`{start}` starts it; `{journal}` says why it does not run."
    return Line(name, text, good=False, stopped=True, remedy=remedy)


def _line(name: str, runs: str, unit: str, wrong: str) -> Line:
    halted = system.stopped(unit)
    if halted:
        resume = f"kill -CONT {' '.join(map(str, halted))}"
        remedy = f"`{resume}` lets what was stopped go on."
        text = f"{runs}, stopped by a signal; {resume}"
        return Line(name, text, good=False, stopped=True, remedy=remedy)
    text = f"{runs}, does not answer: {wrong}" if wrong else runs
    return Line(name, text, good=not wrong, log=f"`journalctl -u {unit}`")
