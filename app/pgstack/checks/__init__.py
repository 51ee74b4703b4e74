"""Django's system checks for hazards that the settings show: `manage.py check --tag stack`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core import checks

from pgstack.checks import planned, project
from pgstack.hazards import CATALOGUE

TAG = "stack"


@checks.register(TAG)
def settings_suit_a_pooler(
    app_configs: Sequence[AppConfig] | None = None,  # noqa: ARG001 - Django's interface
    **kwargs: Any,  # noqa: ARG001
) -> list[checks.CheckMessage]:
    """One message per hazard and alias; those that share an id, once."""
    messages: dict[tuple[str, str], checks.CheckMessage] = {}
    for identifier, seen in project.hazards():
        hazard = CATALOGUE[identifier]
        if hazard.check is not None and not (
            identifier == "H023" and planned.carries_prepared_statements()
        ):
            kind = checks.Error if hazard.check.startswith("stack.E") else checks.Warning
            message = kind(f"{seen}. {hazard.breaks}", hint=hint(identifier), id=hazard.check)
            messages.setdefault((hazard.check, seen), message)
    return list(messages.values())


def hint(identifier: str) -> str:
    """What to do about a hazard, and where to read on."""
    return f"{CATALOGUE[identifier].fix} See docs/hazards/{identifier}.md."
