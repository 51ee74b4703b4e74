"""Django's system checks for hazards that the settings show: `manage.py check --tag stack`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core import checks

from pgstack import project
from pgstack.hazards import CATALOGUE

TAG = "stack"


@checks.register(TAG)
def settings_suit_a_pooler(app_configs: Sequence[AppConfig] | None = None, **kwargs: Any) -> list[checks.CheckMessage]:
    """One message per hazard and alias; those that share an id, once."""
    found: dict[tuple[str, str], checks.CheckMessage] = {}
    for identifier, seen in project.hazards():
        hazard = CATALOGUE[identifier]
        if hazard.check is not None:
            kind = checks.Error if hazard.check.startswith("stack.E") else checks.Warning
            message = kind(f"{seen}. {hazard.breaks}", hint=hazard.fix, id=hazard.check)
            found.setdefault((hazard.check, seen), message)
    return list(found.values())
