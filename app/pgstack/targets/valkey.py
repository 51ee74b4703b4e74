"""Valkey on the local target: its start, and a restart that clients of the cache wait out.

It reads its file only when it starts: no client may configure it. A restart takes a tenth of a
second and the time to read what it has on the disk.
"""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

import psutil

from pgstack.errors import ProbeError, TargetError
from pgstack.live.probes import supervisord, valkey
from pgstack.planning.plan import Plan
from pgstack.targets import supervision

NAME = "valkey"


def start(plan: Plan) -> None:
    """Where it is planned, and unless it runs: start it, and wait until it has read its file."""
    if plan.valkey is None:
        return
    supervision.start(plan, NAME)
    _wait(plan, 0)


def require_same(plan: Plan) -> None:
    """Raise TargetError where a reload would have to start or end it: pages learn of it only with
    their next start."""
    runs = NAME in (supervisord.states(plan) or {})
    if runs != (plan.valkey is not None):
        raise TargetError(
            f"reload: STACK_VALKEY={'off' if runs else 'on'}: Valkey is started and ended by "
            "`make up` only, which restarts the stack. Nothing was changed."
        )


def restart_if_changed(plan: Plan) -> str:
    """Restart it when its file has changed; returns how long that took, or nothing.
    Raises TargetError."""
    if plan.valkey is None:
        return ""
    old = supervision.process_ids(plan, NAME)[0]
    with suppress(psutil.Error):
        written = Path(plan.paths.conf, NAME, "valkey.conf").stat().st_mtime
        if psutil.Process(old).create_time() > written:
            return ""
    begun = time.monotonic()
    supervision.restart(plan, NAME)
    _wait(plan, old)
    return f"{time.monotonic() - begun:.1f} s"


def _wait(plan: Plan, old: int) -> None:
    supervision.wait(lambda: _ready(plan, old), "Valkey", f"{plan.paths.log}/{NAME}.log")


def _ready(plan: Plan, old: int) -> bool:
    """Whether another process than `old` answers, and has read its file."""
    supervisord.states(plan)  # a question wakes supervisord
    with suppress(ProbeError):
        info = valkey.info(plan.valkey) if plan.valkey else {}
        return info.get("loading") == "0" and info.get("process_id") != str(old)
    return False
