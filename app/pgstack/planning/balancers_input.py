"""STACK_BALANCERS and STACK_WEB_SERVERS: `NAME:ADDRESS, …`, who is in front of which web hosts."""

from __future__ import annotations

import ipaddress
from typing import Annotated

from pydantic import BeforeValidator

from pgstack.planning.places_input import parse_places

COUNT = 2
"""one has the address, the other takes it once that one is lost"""


def parse_balancers(text: object) -> object:
    """Address of each balancer by its name."""
    balancers = parse_places(text)
    there = len(set(balancers.values())) if isinstance(balancers, dict) else COUNT
    if there != COUNT:
        raise ValueError(
            f"{there} balancers; there are {COUNT}, so that one may be lost. "
            "Name two, or none, and have visitors come to one web host"
        )
    return balancers


def parse_address(text: object) -> object:
    """An address as IPv4 has it."""
    return str(ipaddress.IPv4Address(text)) if isinstance(text, str) else text


Balancers = Annotated[dict[str, str], BeforeValidator(parse_balancers)]
Servers = Annotated[dict[str, str], BeforeValidator(parse_places)]
OneAddress = Annotated[str, BeforeValidator(parse_address)]
