"""Every hazard by its id."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pgstack.hazards import backends, cursors, django_use, locks, pooler, session, settings, tools
from pgstack.hazards.model import Hazard

_TOPICS = (cursors, session, settings, locks, backends, pooler, tools, django_use)

CATALOGUE: Mapping[str, Hazard] = MappingProxyType(
    {
        hazard.id: hazard
        for _, hazard in sorted(
            (hazard.id, hazard) for topic in _TOPICS for hazard in topic.HAZARDS
        )
    }
)
