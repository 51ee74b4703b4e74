"""All drills: their modules register them."""

from __future__ import annotations

from drills import catalogue, storms

MODULES = (catalogue, storms)
DRILLS = catalogue.DRILLS
