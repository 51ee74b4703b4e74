"""Debian's Prometheus, Alertmanager and node exporter, with drop-ins for their units: they start
again when a file of theirs is another."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from pgstack.errors import StackError
from pgstack.live.probes import watchers
from pgstack.planning.observability import Program
from pgstack.rendering import receivers

from . import safe, system
from .safe import StackctlError
from .stack import Stack
from .system import UNITS

NAME = "observability"
START_SECONDS = 60
"""until Prometheus has read its history"""


def units(stack: Stack) -> dict[str, Program]:
    """Their units by name; none where there is no Prometheus."""
    programs = stack.observability.programs if stack.observability else {}
    return {f"{name}.service": program for name, program in programs.items()}


def apply(stack: Stack, again: bool = False) -> str:
    """Bring what is wanted into force, or with `again` replace the processes; returns what was
    done. Raises StackctlError, and what ran before runs on or again."""
    wanted, live = _wanted(stack), stack.live(NAME)
    before = safe.contents(live) if live.is_dir() else {}
    if not again and wanted == before and all(map(system.active, units(stack))):
        return "unchanged"
    _check(stack, wanted)
    try:
        _restart(stack, wanted)
    except StackctlError as error:
        with suppress(StackctlError):
            if before:
                _restart(stack, before)
        raise StackctlError(f"{error}\nPages are served as before.") from None
    system.require("systemctl", "enable", "--quiet", *units(stack))
    return "runs"


def trouble(stack: Stack, seconds: float = watchers.ASK_SECONDS) -> str:
    """What is wrong with them; empty when all answer."""
    return "; ".join(watchers.silent(stack.observability, seconds))


def _wanted(stack: Stack) -> dict[str, bytes]:
    """Their files, with the secrets of receivers, and the arguments of their units."""
    files = safe.contents(stack.conf / NAME)
    try:
        text = receivers.completed(stack, files[receivers.FILE].decode(), safe.read)
    except StackError as error:
        raise StackctlError(str(error)) from None
    files[receivers.FILE] = text.encode()
    drop_ins = {unit: safe.read(UNITS / f"{unit}.d" / "stack.conf") for unit in units(stack)}
    return {**files, **drop_ins}


def _check(stack: Stack, files: dict[str, bytes]) -> None:
    """Let their own tools read them, in a place that only root may enter. Raises StackctlError."""
    trial = stack.conf / "live" / f"{NAME}-trial"
    try:
        _fill(trial, files)
        for name, words in receivers.CHECKS.items():
            system.require(*words, str(trial / name))
    finally:
        safe.remove(trial)


def _restart(stack: Stack, files: dict[str, bytes]) -> None:
    _fill(stack.live(NAME), files)
    for unit in units(stack):
        system.stop(unit)
        system.start(unit)
    if not system.wait(lambda: not trouble(stack), START_SECONDS):
        raise StackctlError(f"{trouble(stack)}. See journalctl -u 'prometheus*'")


def _fill(directory: Path, files: dict[str, bytes]) -> None:
    # systemd hands each unit what is its own.
    system.fill(directory, files, closed=True)
