"""How an input is declared, and what its text becomes: sizes, names, networks, commands,
releases."""

from __future__ import annotations

import ipaddress
import re
import shlex
from contextlib import suppress
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from pgstack.planning import extensions, packages
from pgstack.planning.locales import parse_locale
from pgstack.planning.packages import RELEASES, known

_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}
_SIZE = re.compile(r"(\d+)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)
LOGIN = r"([a-z_][a-z0-9_-]{0,31}@)?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?"
MAIL = r"[^@\s\"',\\]+@[^@\s\"',\\]+"
"""an address"""
MODULE = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$"
SHELL = frozenset({"&&", "||", "|", "&", ">", ">>", "<", "2>&1"})
"""words that mean something to a shell alone"""
_HOST = re.compile(r"\[[0-9a-fA-F:]+\]|\.?[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?")


def declare(
    default: Any,
    meaning: str,
    unit: str,
    *,
    on: str = "local compose host",
    unset: str = "none",
    **limits: Any,
) -> Any:
    """A field of the inputs. `on` are the targets that it can be given for, `unset` stands for a
    default of None."""
    extra: dict[str, Any] = {"unit": unit, "on": on.split(), "unset": unset}
    return Field(default, description=meaning, json_schema_extra=extra, **limits)


def parse_size(text: object) -> object:
    """Bytes of a size such as `512m`, `2GB` or `1073741824`; units are powers of 1024, as in
    PostgreSQL."""
    if not isinstance(text, str):
        return text
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError("expected a size such as 512m, 2g or a number of bytes")
    return int(match[1]) * _UNITS[match[2].lower()]


def parse_hosts(text: object) -> object:
    """Host names of a comma-separated list; each must be safe inside a configuration file."""
    if not isinstance(text, str):
        return text
    hosts = tuple(part.strip() for part in text.split(",") if part.strip())
    for host in hosts:
        if _HOST.fullmatch(host) is None:
            raise ValueError(
                f"{host!r} is not a host name, an address in brackets or .example.org{_meant(host)}"
            )
    return hosts


def _meant(host: str) -> str:
    """What somebody who wrote that may have meant."""
    with suppress(ValueError):
        return f"; did you mean [{ipaddress.IPv6Address(host)}]?"
    bare = re.sub(r"^\w+://|[:/].*$", "", host)
    bare = bare[1:] if bare.startswith("*.") else bare
    with suppress(UnicodeError):
        bare = bare.encode("idna").decode()
    return f"; did you mean {bare}?" if bare != host and _HOST.fullmatch(bare) else ""


def parse_address(text: object) -> object:
    """`*`, an IPv4 address, or an IPv6 address in brackets, as Apache's Listen has it."""
    if not isinstance(text, str) or re.fullmatch(r"\*|[0-9.]+|\[[0-9a-fA-F:]+\]", text):
        return text
    raise ValueError(
        f"expected an address, one of IPv6 in brackets, or * for "
        f"all{_meant(text) if ':' in text else ''}"
    )


def parse_networks(text: object) -> object:
    """Networks of a comma-separated list such as `10.0.0.11, 10.0.1.0/24`; an address is a network
    of one."""
    if not isinstance(text, str):
        return text
    networks = tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())
    if any(network.prefixlen == 0 for network in networks):
        raise ValueError("it lets everybody in; name single addresses, or smaller networks")
    return tuple(map(str, networks))


def parse_names(text: object) -> object:
    """Names of a comma-separated list of variables. Raises ValueError."""
    if not isinstance(text, str):
        return text
    names = tuple(part.strip() for part in text.split(",") if part.strip())
    for name in names:
        if re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", name) is None:
            raise ValueError(f"{name!r} is not the name of a variable, such as DATA_DIR")
    return names


def parse_commands(text: object) -> object:
    """Command lines separated by semicolons, each split into words as a shell does."""
    if not isinstance(text, str):
        return text
    return tuple(tuple(shlex.split(line)) for line in text.split(";") if line.strip())


def parse_build(text: object) -> object:
    """Command lines separated by semicolons or `&&`, each split into words as a shell does."""
    commands = parse_commands(text.replace(" && ", " ; ") if isinstance(text, str) else text)
    for words in commands if isinstance(commands, tuple) else ():
        if SHELL & set(words):
            raise ValueError(
                f"{shlex.join(words)}: no shell runs it; put the line into a script of the project "
                "and name that"
            )
    return commands


def parse_release(text: object) -> object:
    """Number of a Debian release that the stack knows, such as `12`."""
    if str(text) not in map(str, RELEASES):
        raise ValueError(f"expected one of {known()}")
    return text


def parse_major(text: object) -> object:
    """Major version of PostgreSQL that one of the Debian releases brings, such as `15`."""
    majors = [str(release.postgresql) for release in RELEASES.values()]
    if str(text) not in majors:
        raise ValueError(f"expected {' or '.join(majors)}")
    return text


Address = Annotated[str, BeforeValidator(parse_address)]
Bytes = Annotated[int, BeforeValidator(parse_size)]
Hosts = Annotated[tuple[str, ...], BeforeValidator(parse_hosts)]
Networks = Annotated[tuple[str, ...], BeforeValidator(parse_networks)]
Commands = Annotated[tuple[tuple[str, ...], ...], BeforeValidator(parse_commands)]
Builds = Annotated[tuple[tuple[str, ...], ...], BeforeValidator(parse_build)]
Release = Annotated[int, BeforeValidator(parse_release)]
Major = Annotated[int, BeforeValidator(parse_major)]
Names = Annotated[tuple[str, ...], BeforeValidator(parse_names)]
Packages = Annotated[tuple[str, ...], BeforeValidator(packages.parse)]
Extensions = Annotated[tuple[str, ...], BeforeValidator(extensions.parse)]
Locale = Annotated[str, BeforeValidator(parse_locale)]
