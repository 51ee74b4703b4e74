"""Every input of the stack, once: type, unit, default, meaning and `STACK_*` name."""

from __future__ import annotations

import difflib
import ipaddress
import re
import shlex
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from pgstack.errors import InputError

PREFIX = "STACK_"
# Names that begin with STACK_ and are no inputs: STACK_PLAN tells a process where its plan lies, STACK_RELEASE
# where on a host the release that it belongs to.
RESERVED = frozenset({"STACK_PLAN", "STACK_RELEASE"})
OF_PROJECT = ("settings", "wsgi", "requirements", "commands", "environment")
"""inputs that say something of the project"""

_FULL_NAME = re.compile(r"([A-Za-z0-9-]+\.)+[A-Za-z][A-Za-z0-9-]+")
MODULE = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$"
_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}
_SIZE = re.compile(r"(\d+)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)
_LOGIN = r"([a-z_][a-z0-9_-]{0,31}@)?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?"
_HOST = re.compile(r"\[[0-9a-fA-F:]+\]|\.?[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?")


def parse_size(text: object) -> object:
    """Bytes of a size such as `512m`, `2GB` or `1073741824`; units are powers of 1024, as in PostgreSQL."""
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
            raise ValueError(f"{host!r} is not a host name, an address in brackets or .example.org{_meant(host)}")
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
    raise ValueError(f"expected an address, one of IPv6 in brackets, or * for all{_meant(text) if ':' in text else ''}")


def parse_networks(text: object) -> object:
    """Networks of a comma-separated list such as `10.0.0.11, 10.0.1.0/24`; an address is a network of one."""
    if not isinstance(text, str):
        return text
    networks = tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())
    if any(network.prefixlen == 0 for network in networks):
        raise ValueError("it lets everybody in; name single addresses, or smaller networks")
    return tuple(map(str, networks))


def parse_commands(text: object) -> object:
    """Command lines separated by semicolons, each split into words as a shell does."""
    if not isinstance(text, str):
        return text
    return tuple(tuple(shlex.split(line)) for line in text.split(";") if line.strip())


def parse_release(text: object) -> object:
    """Number of a release such as `12`: a Literal compares, it does not convert what the environment holds."""
    return int(text) if isinstance(text, str) and re.fullmatch("[0-9]{1,4}", text) else text


Bytes = Annotated[int, BeforeValidator(parse_size)]
Hosts = Annotated[tuple[str, ...], BeforeValidator(parse_hosts)]
Networks = Annotated[tuple[str, ...], BeforeValidator(parse_networks)]
Commands = Annotated[tuple[tuple[str, ...], ...], BeforeValidator(parse_commands)]
Release = Annotated[Literal[12, 13], BeforeValidator(parse_release)]

Part = Literal["all", "web", "database"]
"""of the stack: all on one host, or Apache with PgBouncer and PostgreSQL apart"""


class StackConfig(BaseModel):
    """The inputs. None means "let the planner decide"."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    target: Literal["local", "compose", "host"] = Field(
        "local", description="where the stack runs", json_schema_extra={"unit": "name"}
    )
    dir: Path = Field(
        Path(".stack"), description="directory of the local target", json_schema_extra={"unit": "path"}
    )
    debian: Release | None = Field(
        None, description="Debian release; unset: this machine's", json_schema_extra={"unit": "release"}
    )
    cores: int | None = Field(
        None, ge=1, le=1024, description="cores the stack may use", json_schema_extra={"unit": "cores"}
    )
    memory: Bytes | None = Field(
        None, ge=1, description="memory the stack may use", json_schema_extra={"unit": "bytes"}
    )
    processes: int | None = Field(
        None, ge=1, le=512, description="mod_wsgi daemon processes", json_schema_extra={"unit": "processes"}
    )
    threads: int | None = Field(
        None, ge=1, le=64, description="request threads per process", json_schema_extra={"unit": "threads"}
    )
    process_memory: Bytes | None = Field(
        None, ge=1, description="memory of one web process; unset: that of the demo",
        json_schema_extra={"unit": "bytes"},
    )  # fmt: skip
    web_hosts: int = Field(
        1, ge=1, le=64, description="web servers sharing the database", json_schema_extra={"unit": "hosts"}
    )
    pool_size: int | None = Field(
        None, ge=1, le=2000, description="PgBouncer's backends per pool", json_schema_extra={"unit": "connections"}
    )
    direct_connections: int = Field(
        6, ge=2, le=500, description="connections past the pooler: migrate, probes, backups",
        json_schema_extra={"unit": "connections"},
    )  # fmt: skip
    request_timeout: int = Field(
        30, ge=6, le=3600, description="longest request; all other timeouts follow from it",
        json_schema_extra={"unit": "seconds"},
    )  # fmt: skip
    project: Path | None = Field(
        None, description="directory of your project; unset: the demo", json_schema_extra={"unit": "path"}
    )
    settings: str | None = Field(
        None, pattern=MODULE, description="settings module of the project; unset: what its manage.py names",
        json_schema_extra={"unit": "module"},
    )  # fmt: skip
    wsgi: str | None = Field(
        None, pattern=MODULE, description="module of its WSGI application; unset: what its settings name",
        json_schema_extra={"unit": "module"},
    )  # fmt: skip
    requirements: str | None = Field(
        None, pattern=r"^[A-Za-z0-9_][A-Za-z0-9_./-]*$",
        description="its requirements, a file in it; unset: that of its tool",
        json_schema_extra={"unit": "path"},
    )  # fmt: skip
    commands: Commands = Field(
        (), description="its management commands after migrate", json_schema_extra={"unit": "commands, ;-separated"}
    )
    environment: Path | None = Field(
        None, description="file of variables for it, NAME=value lines", json_schema_extra={"unit": "path"}
    )
    port: int = Field(8000, ge=1, le=65535, description="port Apache listens on", json_schema_extra={"unit": "port"})
    address: Annotated[str, BeforeValidator(parse_address)] = Field(
        "127.0.0.1", description="address Apache listens on; * for all",
        json_schema_extra={"unit": "address"},
    )  # fmt: skip
    hosts: Hosts = Field(
        ("localhost", "127.0.0.1", "[::1]"), min_length=1, description="host names the site answers to",
        json_schema_extra={"unit": "names, comma-separated"},
    )  # fmt: skip
    tls: Literal["off", "self-signed", "files", "acme"] = Field(
        "off", description="TLS with HTTP/2 on the port", json_schema_extra={"unit": "name"}
    )
    tls_certificate: Path | None = Field(
        None, description="certificate chain (PEM) for tls=files", json_schema_extra={"unit": "path"}
    )
    tls_key: Path | None = Field(
        None, description="private key (PEM) for tls=files", json_schema_extra={"unit": "path"}
    )
    hsts: int = Field(
        0, ge=0, le=2 * 365 * 24 * 3600, description="how long browsers insist on TLS (HSTS); 0: they are not told to",
        json_schema_extra={"unit": "seconds"},
    )  # fmt: skip
    acme_email: str | None = Field(
        None, pattern=r"^[^@\s\"']+@[^@\s\"']+$", description="address that the authority writes to, for tls=acme",
        json_schema_extra={"unit": "e-mail address"},
    )  # fmt: skip
    acme_directory: str = Field(
        "https://acme-v02.api.letsencrypt.org/directory", pattern=r"^https://[!#-~]+$",
        description="directory of the authority, for tls=acme", json_schema_extra={"unit": "URL"},
    )  # fmt: skip
    proxy: Literal["on", "off"] = Field(
        "off", description="whether a proxy in front ends TLS and sets X-Forwarded-Proto",
        json_schema_extra={"unit": "name"},
    )  # fmt: skip
    proxy_addresses: Networks = Field(
        (), description="addresses or networks of proxies in front, whose X-Forwarded-For says who the visitor is",
        json_schema_extra={"unit": "addresses, comma-separated"},
    )  # fmt: skip
    upload_limit: Bytes = Field(
        10 * 1024**2, ge=64 * 1024, le=64 * 1024**3, description="largest body of a request",
        json_schema_extra={"unit": "bytes"},
    )  # fmt: skip
    firewall: Literal["on", "off"] = Field(
        "on", description="whether a host drops what is not for SSH or the site", json_schema_extra={"unit": "name"}
    )
    database_host: str | None = Field(
        None, pattern=r"^[A-Za-z0-9]([A-Za-z0-9.:-]*[A-Za-z0-9])?$",
        description="name or address of the database host, where web hosts are apart from it",
        json_schema_extra={"unit": "name"},
    )  # fmt: skip
    web_addresses: Networks | None = Field(
        None, min_length=1, description="addresses or networks that the web hosts come from; on the database host",
        json_schema_extra={"unit": "addresses, comma-separated"},
    )  # fmt: skip
    account: str | None = Field(
        None, pattern=r"^[a-z_][a-z0-9_-]{0,31}$",
        description="account the local target runs as; unset: you; for root the checkout's owner, else pgstack",
        json_schema_extra={"unit": "account"},
    )  # fmt: skip

    backup: Literal["off", "local", "sftp", "s3"] | None = Field(
        None, description="where a host keeps its backups; unset: local on a host, off elsewhere",
        json_schema_extra={"unit": "name"},
    )  # fmt: skip
    backup_path: Path = Field(
        Path("/var/lib/pgbackrest"), description="directory of the backups: here, on the other host, or in the bucket",
        json_schema_extra={"unit": "path"},
    )  # fmt: skip
    backup_host: str | None = Field(
        None, pattern=f"^{_LOGIN}$", description="sftp: account@host of the other host; s3: host of the endpoint",
        json_schema_extra={"unit": "name"},
    )  # fmt: skip
    backup_bucket: str | None = Field(
        None, pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", description="bucket of backup=s3",
        json_schema_extra={"unit": "name"},
    )  # fmt: skip
    backup_region: str = Field(
        "us-east-1", pattern=r"^[a-z0-9-]{1,32}$", description="region of backup=s3", json_schema_extra={"unit": "name"}
    )
    backup_keep: int = Field(
        2, ge=1, le=520, description="full backups kept, one a week, each with all that follows it",
        json_schema_extra={"unit": "backups"},
    )  # fmt: skip
    backup_time: str = Field(
        "03:00", pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", description="time of day (UTC) of the backups",
        json_schema_extra={"unit": "time"},
    )  # fmt: skip

    @model_validator(mode="after")
    def _backups(self) -> StackConfig:
        if self.backup not in (None, "off") and self.target != "host":
            raise ValueError(f"STACK_BACKUP={self.backup} needs STACK_TARGET=host; other targets keep no backups")
        if self.backup == "s3" and None in (self.backup_host, self.backup_bucket):
            raise ValueError("STACK_BACKUP=s3 needs STACK_BACKUP_HOST and STACK_BACKUP_BUCKET")
        if self.backup == "sftp" and "@" not in (self.backup_host or ""):
            raise ValueError("STACK_BACKUP=sftp needs STACK_BACKUP_HOST, as account@host")
        if not self.backup_path.is_absolute() or re.search(r"[^A-Za-z0-9/._-]|/\.\.(/|$)", str(self.backup_path)):
            raise ValueError(f"STACK_BACKUP_PATH={self.backup_path}: expected an absolute path of plain characters")
        return self

    @model_validator(mode="after")
    def _combinations(self) -> StackConfig:
        files = (self.tls_certificate, self.tls_key)
        if self.tls == "files" and None in files:
            raise ValueError("STACK_TLS=files needs STACK_TLS_CERTIFICATE and STACK_TLS_KEY")
        if self.tls != "files" and files != (None, None):
            raise ValueError("STACK_TLS_CERTIFICATE and STACK_TLS_KEY need STACK_TLS=files")
        self._acme()
        if self.database_host and self.target != "host":
            raise ValueError("STACK_DATABASE_HOST: web hosts apart from the database are set up by Ansible only")
        if self.web_addresses and not self.database_host:
            raise ValueError("STACK_WEB_ADDRESSES needs STACK_DATABASE_HOST, which the certificate names")
        if self.proxy == "on" and self.tls != "off":
            raise ValueError("STACK_PROXY=on needs STACK_TLS=off: either the proxy ends TLS or Apache does")
        if self.hsts and (self.tls, self.proxy) == ("off", "off"):
            raise ValueError(f"STACK_HSTS={self.hsts} needs TLS: STACK_TLS, or STACK_PROXY=on")
        return self

    @model_validator(mode="after")
    def _project(self) -> StackConfig:
        given = [name for name in OF_PROJECT if getattr(self, name)]
        if self.project is None and given:
            needed = "stack_inputs.project.source" if self.target == "host" else "STACK_PROJECT"
            raise ValueError(f"{environment_name(given[0])} needs {needed}: the demo has its own")
        return self

    def _acme(self) -> None:
        if self.tls != "acme":
            return
        if self.target != "host" or self.port != 443:
            raise ValueError("STACK_TLS=acme needs a host and STACK_PORT=443: the authority asks ports 80 and 443")
        if self.acme_email is None:
            raise ValueError("STACK_TLS=acme needs STACK_ACME_EMAIL")
        odd = [name for name in self.hosts if _FULL_NAME.fullmatch(name) is None]
        if odd:
            raise ValueError(f"STACK_HOSTS: {odd[0]}: an authority certifies full names only with STACK_TLS=acme")

    @property
    def part(self) -> Part:
        """What this host runs of the stack."""
        if self.database_host is None:
            return "all"
        return "database" if self.web_addresses else "web"


def environment_name(field: str) -> str:
    """`STACK_POOL_SIZE` of `pool_size`."""
    return PREFIX + field.upper()


def load(environ: Mapping[str, str], **overrides: Any) -> StackConfig:
    """The inputs found in `environ`; empty values count as unset, `overrides` win.

    Raises InputError naming the variable, the reason and the remedy.
    """
    names = {environment_name(field): field for field in StackConfig.model_fields}
    values: dict[str, Any] = {}
    for name, value in environ.items():
        if not name.startswith(PREFIX) or name in RESERVED:
            continue
        if name not in names:
            raise InputError(_unknown(name, list(names)))
        if value.strip():
            values[names[name]] = value.strip()
    try:
        return StackConfig(**{**values, **overrides})
    except ValidationError as error:
        raise InputError(_invalid(error)) from None


def _unknown(name: str, known: list[str]) -> str:
    endings = [other.removeprefix(PREFIX) for other in known]
    near = difflib.get_close_matches(name.removeprefix(PREFIX), endings, n=1, cutoff=0.6)
    hint = f"did you mean {PREFIX}{near[0]}?" if near else "unset it."
    return f"{name}: unknown input; {hint} `manage.py stack_plan --inputs` lists every input."


def _invalid(error: ValidationError) -> str:
    lines = []
    for problem in error.errors():
        reason = problem["msg"].removeprefix("Value error, ")
        if not problem["loc"]:
            lines.append(f"{reason}.")
            continue
        field = str(problem["loc"][0])
        meaning = StackConfig.model_fields[field].description
        lines.append(f"{environment_name(field)}={problem['input']}: {reason}. It is the {meaning}.")
    return "\n".join(dict.fromkeys(lines))
