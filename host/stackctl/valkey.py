"""Valkey: it reads its file at its start, so a change takes a restart, which clients of the cache
wait out (pgstack.cache)."""

from __future__ import annotations

import socket
import time
from contextlib import suppress

from pgstack.planning import services

from . import safe, system
from .safe import StackctlError
from .stack import Stack
from .system import UNITS

QUESTION, ANSWER = b"PING\r\n", b"+PONG"


def unit(stack: Stack) -> str:
    """Name of the unit of the site's Valkey."""
    return services.unit(stack, "valkey.service")


def apply(stack: Stack, again: bool = False) -> str:
    """Bring what is wanted into force, or with `again` replace the process; returns what was
    done."""
    wanted = system.planned_files(stack.conf / "valkey", UNITS / unit(stack))
    before = _in_force(stack)
    if system.active(unit(stack)) and not again and wanted == before:
        return "unchanged"
    begun = time.monotonic()
    try:
        _restart(stack, wanted)
    except StackctlError as error:
        after = "Nothing runs."
        if before:
            with suppress(StackctlError):
                _restart(stack, before)
                after = "It keeps running with its previous configuration."
        raise StackctlError(
            f"Valkey does not run with the new configuration: {error}\n{after}"
        ) from None
    system.require("systemctl", "enable", "--quiet", unit(stack))
    return f"runs with the new configuration after {time.monotonic() - begun:.1f} s"


def _in_force(stack: Stack) -> dict[str, bytes]:
    """The files that it runs with; none before its first start."""
    directory = stack.live("valkey")
    return safe.contents(directory) if directory.is_dir() else {}


def _restart(stack: Stack, files: dict[str, bytes]) -> None:
    system.fill(stack.live("valkey"), files)
    system.stop(unit(stack))
    system.start(unit(stack))


def trouble(stack: Stack, seconds: float) -> str:
    """What is wrong with it; empty when it answers."""
    if stack.valkey is None:
        return ""
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(seconds)
            client.connect(stack.valkey.socket)
            client.sendall(QUESTION)
            answer = client.recv(len(ANSWER) + 40)
    except OSError as error:
        return str(error)
    return "" if answer.startswith(ANSWER) else answer.decode(errors="replace").strip()
