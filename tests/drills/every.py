"""All drills: their modules register them."""

from __future__ import annotations

from drills import catalogue, disks, hangs, stops, storms

MODULES = (catalogue, stops, hangs, disks, storms)
DRILLS = catalogue.DRILLS
