"""`stackctl advise`: which inputs to change, by what the exporter has measured, and whether that
has mended it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from pgstack.live.probes import bounded
from pgstack.metrics import advised

from . import facts, lesser, safe
from .safe import StackctlError
from .stack import Stack

SECONDS = 15
ANSWER_SECONDS = 2
"""for PostgreSQL"""
LIMIT = 64 * 1024
"""bytes of an advice that is kept"""


def told(stack: Stack, *, check: bool, last: float | None, as_json: bool) -> tuple[str, bool]:
    """The advice, which is kept, or with `check` what has come of the last one; and whether that is
    well. Raises StackctlError where nothing is measured, or too little."""
    if stack.metrics is None:
        raise StackctlError("stack_inputs.observability is off: nothing is measured.")
    file = Path(stack.metrics.facts, advised.NAME)
    before = _kept(file) if check else b""
    who, work = stack.accounts, partial(_asked, stack, before, last)
    with lesser.asked(who.metrics, who.group, work, SECONDS) as answer:
        given = answer()
    if not check:
        facts.store(stack, file, given["kept"], mode=0o600)
    return given["json" if as_json else "text"], given["well"]


def _kept(file: Path) -> bytes:
    try:
        return safe.read(file, LIMIT)
    except FileNotFoundError:
        raise StackctlError(
            f"{file}: no advice was given yet. `stackctl advise` gives it."
        ) from None


def _asked(stack: Stack, before: bytes, last: float | None) -> dict[str, Any]:
    """By the account of the exporter. Raises StackError, ValueError."""
    with bounded.waits(ANSWER_SECONDS):
        advice = advised.now(stack, last)
    if before:
        well, words = advised.checked(advised.loaded(before), advice, stack)
        return {"text": "\n".join(words), "json": advised.dumped(advice), "well": well}
    return {
        "text": "\n".join(advised.lines(advice, stack)),
        "json": advised.dumped(advice),
        "kept": advised.kept_text(advice),
        "well": True,
    }
