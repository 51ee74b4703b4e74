"""`stackctl status`: one screen of what serves, what is full, who blocks and what to do."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from pgstack.live.probes import bounded
from pgstack.metrics import screen, standing

from . import backup, files, haproxy, lesser, membership, registry, schedule, status, workers
from .safe import StackctlError
from .stack import Stack

FIGURES_SECONDS = 10
"""for two looks, a second apart, where no server answers"""
ANSWER_SECONDS = 2
"""for a server of a look"""
NAME = 11
"""columns of a name"""


def told(stack: Stack, as_json: bool) -> tuple[list[str], bool]:
    """The lines of the screen, or of JSON, and whether all is well. Backups are told once
    PostgreSQL answers, and do not change that."""
    if stack.metrics is None:
        servers, figures = registry.report(stack), {}
    else:
        look = partial(_look, stack)
        who = stack.accounts
        with lesser.asked(who.metrics, who.group, look, FIGURES_SECONDS) as answer:
            servers, figures = registry.report(stack), _figures(answer)
    rest = [
        *membership.report(stack),
        *haproxy.report(stack),
        *workers.report(stack),
        *schedule.report(stack),
    ]
    kept = backup.report(stack) + files.report(stack) if servers[0].good else []
    released = status.release(stack)
    whole = screen.report(_place(stack), [line.row() for line in servers + rest], figures)
    if as_json:
        beside = {
            "release": [line.said() for line in released],
            "backups": [line.said() for line in kept],
        }
        return [json.dumps({**whole, **beside}, indent=1)], whole["ok"]
    own = [(f"{line.name:<{NAME - 1}}", line.text) for line in servers + released + rest + kept]
    return list(screen.lines(whole, own)), whole["ok"]


def _place(stack: Stack) -> dict[str, str]:
    address = (stack.front or stack.site).url if "apache" in stack.services else ""
    return {"target": stack.target, "address": address}


def _figures(answer: lesser.Told) -> dict[str, Any]:
    try:
        figures: dict[str, Any] = answer()
    except StackctlError as error:
        return {"unknown": [f"what is full: {error}"]}
    return figures


def _look(stack: Stack) -> dict[str, Any]:
    """Through the exporter, or past one that makes no sense."""
    path = stack.conf / "plan.json"
    with bounded.waits(ANSWER_SECONDS):
        try:
            return standing.figures(stack, path)
        except Exception:  # noqa: BLE001 - whoever took it over may have it say anything
            return standing.figures(stack.model_copy(update={"metrics": None}), path)
