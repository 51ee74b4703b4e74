"""Whether the planner accepts what is advised, for stacks whose inputs are this checkout's."""

from __future__ import annotations

from typing import Any

from pgstack.errors import StackError
from pgstack.metrics.advised import Advised, field
from pgstack.planning import state
from pgstack.planning.sizing.scale import MB


def refusal(advised: Advised) -> str:
    """The planner's objection to all of the advice taken together; empty if there is none."""
    changed: dict[str, Any] = {
        field(advice.input): _number(advice.to) for advice in advised.advice if advice.input
    }
    try:
        state.fresh_plan(**changed)
    except StackError as error:
        return str(error)
    return ""


def _number(text: str) -> int:
    return int(text[:-1]) * MB if text.endswith("m") else int(text)
