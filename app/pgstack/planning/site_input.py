"""STACK_SITES: `NAME:WEIGHT, …`, the sites of one host and what each gets of it."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator

from pgstack.planning import names

MOST = 16
"""sites of a host: each has a cluster of PostgreSQL of its own"""
HEAVIEST = 100


def parse_sites(text: object) -> object:
    """Weight of each site, in the order in which they are written."""
    if not isinstance(text, str):
        return text
    sites: dict[str, int] = {}
    for part in (part.strip() for part in text.split(",") if part.strip()):
        name, _, weight = (word.strip() for word in part.partition(":"))
        if re.fullmatch(names.PATTERN, name) is None:
            raise ValueError(
                f"{name!r} is not the name of a site: up to 12 small letters and digits, the first "
                "a letter"
            )
        if not re.fullmatch("[0-9]+", weight or "1") or not 1 <= int(weight or 1) <= HEAVIEST:
            raise ValueError(f"{part}: expected a weight of 1 to {HEAVIEST}, such as {name}:2")
        if name in sites:
            raise ValueError(f"{name} is there twice")
        sites[name] = int(weight or 1)
    if len(sites) > MOST:
        raise ValueError(f"{len(sites)} sites; a host has up to {MOST}")
    return sites


Sites = Annotated[dict[str, int], BeforeValidator(parse_sites)]
