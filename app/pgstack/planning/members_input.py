"""STACK_MEMBERS: `NAME:ADDRESS, …`, the database hosts of a cluster, and its witness."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator

from pgstack.planning.places_input import parse_places

COUNT = 3
"""A majority of three is left when one is lost. With two neither may go on alone, and with four no
more than one may be lost."""


def parse_members(text: object) -> object:
    """Address of each member by its name, in the order in which they are written."""
    members = parse_places(text)
    if isinstance(members, dict) and isinstance(text, str):
        there = len(set(members.values()))
        if len(members) != COUNT or there != COUNT:
            raise ValueError(
                f"{there} database hosts; a cluster has {COUNT}: it goes on while most of them "
                "agree, so that one may be lost. Name three, of which one may be a witness, or use "
                "one database host (docs/apart.md)"
            )
    return members


Members = Annotated[dict[str, str], BeforeValidator(parse_members)]
