"""What several inputs have in common: `NAME:ADDRESS, …`."""

from __future__ import annotations

import ipaddress
import re

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")


def parse_places(text: object) -> object:
    """Address of each host by its name, in the order in which they are written."""
    if not isinstance(text, str):
        return text
    places: dict[str, str] = {}
    for part in (part.strip() for part in text.split(",") if part.strip()):
        name, _, address = (word.strip() for word in part.partition(":"))
        if _NAME.fullmatch(name) is None or name in places:
            raise ValueError(f"{part}: expected NAME:ADDRESS, each name once")
        places[name] = str(ipaddress.IPv4Address(address))
    return places
