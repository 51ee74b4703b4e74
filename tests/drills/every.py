"""All drills: their modules register them."""

from __future__ import annotations

from drills import catalogue, disks, hangs, memory, power, stops, storms

MODULES = (catalogue, memory, power, stops, hangs, disks, storms)
DRILLS = catalogue.DRILLS
