"""Lists of commands that have names: `NAME:ATTRIBUTE…=COMMAND; …`, as STACK_WORKERS and
STACK_SCHEDULE are written."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from pgstack.planning.input_types import parse_size

SMALLEST_BYTES = 16 * 1024**2
"""Python alone takes as much"""
Read = Callable[[str, re.Match[str]], dict[str, Any]]


class Named(Protocol):
    """One of a list."""

    @property
    def name(self) -> str:
        """The command's name, which is unique within its list."""


Command = TypeVar("Command", bound=Named)


@dataclass(frozen=True)
class Form:
    """How a list is written, in the words of its messages."""

    singular: str
    """with its article"""
    many: str
    name: re.Pattern[str]
    name_form: str
    expected: str
    """behind the name"""
    example: str
    readers: Mapping[str, Read]
    """of attributes, by their shape"""
    attributes: str


def parse(
    text: str, form: Form, make: Callable[[str, list[str], dict[str, Any]], Command]
) -> tuple[Command, ...]:
    """The commands of a list separated by semicolons; `make` gets name, words and attributes."""
    commands: dict[str, Command] = {}
    for entry in filter(str.strip, text.split(";")):
        name, words, attributes = _parts(entry.strip(), form)
        if name in commands:
            raise ValueError(f"two {form.many} are named {name}; name each once")
        commands[name] = make(name, words, attributes)
    return tuple(commands.values())


def _parts(entry: str, form: Form) -> tuple[str, list[str], dict[str, Any]]:
    head, separator, command = entry.partition("=")
    if not separator:
        raise ValueError(
            f"{entry!r} has no =; expected NAME={form.expected}, such as {form.example}"
        )
    name, *attributes = (part.strip() for part in head.split(":"))
    if form.name.fullmatch(name) is None:
        raise ValueError(f"{name!r} is not the name of {form.singular}: {form.name_form}")
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise ValueError(
            f"the command of {name} cannot be split: {error}; a ; begins the next "
            f"{form.singular.split()[-1]}, between quotes too"
        ) from None
    return name, words, _attributes(name, attributes, form)


def _attributes(name: str, texts: list[str], form: Form) -> dict[str, Any]:
    said: dict[str, Any] = {}
    for text in texts:
        match, read = _reader(name, text, form)
        for attribute, value in read(name, match).items():
            if attribute in said:
                raise ValueError(f"{name} has two of {attribute}: the second is {text}")
            said[attribute] = value
    return said


def _reader(name: str, text: str, form: Form) -> tuple[re.Match[str], Read]:
    for pattern, read in form.readers.items():
        if match := re.fullmatch(pattern, text):
            return match, read
    raise ValueError(f"{name}:{text} is not known; behind a name there may be {form.attributes}")


def memory(name: str, match: re.Match[str]) -> dict[str, Any]:
    """The attribute `memory` in bytes, of a size such as `200m`. Raises ValueError when it is too
    small."""
    size = int(str(parse_size(match[0])))
    if size < SMALLEST_BYTES:
        raise ValueError(
            f"{name} has {match[0]} of memory; expected {SMALLEST_BYTES >> 20}m or more"
        )
    return {"memory": size}
