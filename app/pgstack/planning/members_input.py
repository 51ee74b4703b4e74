"""STACK_MEMBERS: `NAME:ADDRESS, …`, the database hosts of a cluster."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated

from pydantic import BeforeValidator

COUNT = 3
"""A majority of three is left when one is lost. With two neither may go on alone, and with four no
more than one may be lost."""
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")


def parse_members(text: object) -> object:
    """Address of each member by its name, in the order in which they are written."""
    if not isinstance(text, str):
        return text
    members: dict[str, str] = {}
    for part in (part.strip() for part in text.split(",") if part.strip()):
        name, _, address = (word.strip() for word in part.partition(":"))
        if _NAME.fullmatch(name) is None or name in members:
            raise ValueError(f"{part}: expected NAME:ADDRESS, each name once")
        members[name] = str(ipaddress.IPv4Address(address))
    if len(members) != COUNT or len(set(members.values())) != COUNT:
        raise ValueError(
            f"{len(set(members.values()))} database hosts; a cluster has {COUNT}: it goes on while "
            "most of them agree, so that one may be lost. Name three, or use one database host "
            "(docs/apart.md)"
        )
    return members


Members = Annotated[dict[str, str], BeforeValidator(parse_members)]
