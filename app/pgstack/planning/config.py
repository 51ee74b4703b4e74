"""Every input of the stack, once: type, unit, default, meaning and `STACK_*` name."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pgstack.errors import InputError
from pgstack.planning import background, names, targets
from pgstack.planning.database_url import MODES, DatabaseUrl, ExternalDatabase
from pgstack.planning.input_types import (
    LOGIN,
    Address,
    Builds,
    Bytes,
    Commands,
    Extensions,
    Hosts,
    Locale,
    Names,
    Networks,
    Packages,
    Release,
)
from pgstack.planning.locales import refusal_in_containers
from pgstack.planning.packages import known
from pgstack.planning.plan import TargetName
from pgstack.planning.schedule_input import Schedule
from pgstack.planning.site_input import Sites
from pgstack.planning.targets import host_parts
from pgstack.planning.targets.host_parts import HostPart
from pgstack.planning.worker_input import Workers

PREFIX = "STACK_"
HTTPS = 443
# Names that begin with STACK_ and are no inputs: STACK_PLAN tells a process where its plan lies,
# STACK_RELEASE where on a host the release that it belongs to, STACK_WORKER that it is a worker,
# STACK_BUILDING that it is a command of STACK_BUILD.
BUILDING = "STACK_BUILDING"
RESERVED = frozenset({"STACK_PLAN", "STACK_RELEASE", background.VARIABLE, BUILDING})
OF_PROJECT = ("settings", "wsgi", "requirements", "commands", "build", "environment", "data")
"""inputs that say something of the project"""

_FULL_NAME = re.compile(r"([A-Za-z0-9-]+\.)+[A-Za-z][A-Za-z0-9-]+")
MODULE = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$"


def _input(
    default: Any,
    meaning: str,
    unit: str,
    *,
    on: str = "local compose host",
    unset: str = "none",
    **limits: Any,
) -> Any:
    """A field of the model. `on` are the targets that it can be given for, `unset` stands for a
    default of None."""
    extra: dict[str, Any] = {"unit": unit, "on": on.split(), "unset": unset}
    return Field(default, description=meaning, json_schema_extra=extra, **limits)


class StackConfig(BaseModel):
    """The inputs. None means "let the planner decide"."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    target: TargetName = _input("local", "where the stack runs", "name", on="local compose")
    name: str = _input(
        names.STACK,
        "name of the site, where a host has several (docs/sites.md)",
        "name",
        on="host",
        pattern=names.PATTERN,
    )
    sites: Sites = _input(
        {},
        "all sites of the host with their weights, the same text for each (docs/sites.md)",
        "NAME:WEIGHT, comma-separated",
        on="host",
        unset="this one alone",
    )
    dir: Path = _input(Path(".stack"), "directory of the local target", "path", on="local")
    debian: Release | None = _input(
        None, f"Debian release, {known('or')}", "release", on="local host", unset="this machine's"
    )
    cores: int | None = _input(
        None, "cores the stack may use", "cores", unset="detected", ge=1, le=1024
    )
    memory: Bytes | None = _input(None, "memory the stack may use", "bytes", unset="detected", ge=1)
    processes: int | None = _input(
        None, "mod_wsgi daemon processes", "processes", unset="planned", ge=1, le=512
    )
    threads: int | None = _input(
        None, "request threads per process", "threads", unset="planned", ge=1, le=64
    )
    process_memory: Bytes | None = _input(
        None, "memory of one web process", "bytes", unset="planned", ge=1
    )
    web_hosts: int = _input(1, "web servers sharing the database", "hosts", ge=1, le=64)
    pool_size: int | None = _input(
        None, "PgBouncer's backends per pool", "connections", unset="planned", ge=1, le=2000
    )
    direct_connections: int = _input(
        6, "connections past the pooler: migrate, probes, backups", "connections", ge=2, le=500
    )
    request_timeout: int = _input(
        30, "longest request; all other timeouts follow from it", "seconds", ge=6, le=3600
    )
    project: Path | None = _input(None, "directory of your project", "path", unset="the demo")
    settings: str | None = _input(
        None,
        "settings module of the project",
        "module",
        unset="what `manage.py` names",
        pattern=MODULE,
    )
    wsgi: str | None = _input(
        None,
        "module of the project's WSGI application",
        "module",
        unset="what its settings name",
        pattern=MODULE,
    )
    requirements: str | None = _input(
        None,
        "requirements file, within the project",
        "path",
        unset="that of its packaging tool",
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9_./-]*$",
    )
    commands: Commands = _input(
        (), "the project's management commands after migrate", "commands, ;-separated"
    )
    build: Builds = _input(
        (),
        "the project's build commands, run before it serves, without the database",
        "commands, ;-separated",
    )
    environment: Path | None = _input(
        None, "file of variables for the project, NAME=value lines", "path"
    )
    data: Names = _input(
        (),
        "variables that name directories which the project's pages may write into",
        "names, comma-separated",
    )
    packages: Packages = _input(
        (), "Debian packages that the project needs", "names, comma-separated"
    )
    workers: Workers = _input(
        (),
        "commands that run beside pages, with a pool of their own (docs/workers.md)",
        "NAME=COMMAND, ;-separated",
    )
    valkey: Literal["on", "off"] = _input(
        "off",
        "whether Valkey (Debian 12: Redis) runs as cache and broker (docs/cache.md)",
        "name",
    )
    valkey_memory: Bytes | None = _input(
        None,
        "memory for cache and queues (maxmemory)",
        "bytes",
        unset="planned",
        ge=4 * 1024**2,
    )
    schedule: Schedule = _input(
        (),
        "commands that run at set times, beside pages (docs/schedule.md)",
        "NAME=WHEN COMMAND, ;-separated",
    )
    locale: Locale = _input(
        "C.UTF-8",
        "sort order of the database: C.UTF-8, icu:de-DE and the like, or a locale of the machine",
        "name",
    )
    extensions: Extensions = _input(
        (),
        "extensions of PostgreSQL, with their packages (docs/extensions.md)",
        "names, comma-separated",
    )
    port: int = _input(8000, "port Apache listens on", "port", ge=1, le=65535)
    address: Address = _input(
        "127.0.0.1", "address Apache listens on; * for all", "address", on="local host"
    )
    hosts: Hosts = _input(
        ("localhost", "127.0.0.1", "[::1]"),
        "host names the site answers to",
        "names, comma-separated",
        min_length=1,
    )
    tls: Literal["off", "self-signed", "files", "acme"] = _input(
        "off", "TLS with HTTP/2 on the port; acme on a host only", "name"
    )
    tls_certificate: Path | None = _input(None, "certificate chain (PEM) for tls=files", "path")
    tls_key: Path | None = _input(None, "private key (PEM) for tls=files", "path")
    hsts: int = _input(
        0,
        "how long browsers insist on TLS (HSTS); 0: no header is sent",
        "seconds",
        ge=0,
        le=2 * 365 * 24 * 3600,
    )
    acme_email: str | None = _input(
        None,
        "address that the authority writes to, for tls=acme",
        "e-mail address",
        on="host",
        pattern=r"^[^@\s\"']+@[^@\s\"']+$",
    )
    acme_directory: str = _input(
        "https://acme-v02.api.letsencrypt.org/directory",
        "directory of the authority, for tls=acme",
        "URL",
        on="host",
        pattern=r"^https://[!#-~]+$",
    )
    proxy: Literal["on", "off"] = _input(
        "off", "whether a proxy in front ends TLS and sets X-Forwarded-Proto", "name"
    )
    proxy_addresses: Networks = _input(
        (),
        "addresses or networks of proxies in front, whose X-Forwarded-For says who the visitor is",
        "addresses, comma-separated",
    )
    upload_limit: Bytes = _input(
        10 * 1024**2, "largest body of a request", "bytes", ge=64 * 1024, le=64 * 1024**3
    )
    egress: Literal["closed"] | None = _input(
        None,
        "outgoing connections of the web container",
        "name",
        on="compose",
        unset="open",
    )
    firewall: Literal["on", "off"] = _input(
        "on", "whether a host drops what is not for SSH or the site", "name", on="host"
    )
    database_host: str | None = _input(
        None,
        "name or address of the database host, where web hosts are separate",
        "name",
        on="host",
        pattern=r"^[A-Za-z0-9]([A-Za-z0-9.:-]*[A-Za-z0-9])?$",
    )
    web_addresses: Networks | None = _input(
        None,
        "addresses or networks that the web hosts connect from; on the database host",
        "addresses, comma-separated",
        on="host",
        min_length=1,
    )
    database_url: ExternalDatabase | None = _input(
        None,
        "a PostgreSQL that is somebody else's (docs/external-postgresql.md)",
        "URL without a password",
        on="local compose",
        unset="the stack's own",
    )
    database_password_file: Path | None = _input(
        None,
        "file whose first line is the password of the login in the URL",
        "path",
        on="local compose",
    )
    database_authority: Path | None = _input(
        None,
        "PEM file of the authority that signed its certificate",
        "path",
        on="local compose",
        unset="sslrootcert in the URL",
    )
    account: str | None = _input(
        None,
        "account the local target runs as",
        "account",
        on="local",
        unset="you; for root the checkout's owner, else `pgstack`",
        pattern=r"^[a-z_][a-z0-9_-]{0,31}$",
    )

    backup: Literal["off", "local", "sftp", "s3"] | None = _input(
        None,
        "where backups are kept: a host makes them on a schedule, `make backup` elsewhere",
        "name",
        unset="`local` on a host, else `off`",
        on="local compose host",
    )
    backup_path: Path = _input(
        Path("/var/lib/pgbackrest"),
        "directory of the backups: here, on the other host, or in the bucket",
        "path",
        on="local compose host",
    )
    backup_host: str | None = _input(
        None,
        "sftp: account@host of the other host; s3: host of the endpoint",
        "name",
        pattern=f"^{LOGIN}$",
        on="local compose host",
    )
    backup_bucket: str | None = _input(
        None,
        "bucket of backup=s3",
        "name",
        pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$",
        on="local compose host",
    )
    backup_region: str = _input(
        "us-east-1",
        "region of backup=s3",
        "name",
        pattern=r"^[a-z0-9-]{1,32}$",
        on="local compose host",
    )
    backup_keep: int = _input(
        2,
        "full backups kept, one a week, each with all that follows it",
        "backups",
        on="host",
        ge=1,
        le=520,
    )
    backup_time: str = _input(
        "03:00",
        "time of day (UTC) of the backups",
        "time",
        on="host",
        pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$",
    )

    @model_validator(mode="after")
    def _backups(self) -> StackConfig:
        if self.backup == "sftp" and not self._target.schedules_backups:
            raise ValueError(
                "STACK_BACKUP=sftp needs a host; `make backup` writes to a directory or a bucket"
            )
        if self.backup == "local" and not self._target.schedules_backups:
            self._backup_directory()
        if self.backup == "s3" and None in (self.backup_host, self.backup_bucket):
            raise ValueError("STACK_BACKUP=s3 needs STACK_BACKUP_HOST and STACK_BACKUP_BUCKET")
        if self.backup == "sftp" and "@" not in (self.backup_host or ""):
            raise ValueError("STACK_BACKUP=sftp needs STACK_BACKUP_HOST, as account@host")
        if not self.backup_path.is_absolute() or re.search(
            r"[^A-Za-z0-9/._-]|/\.\.(/|$)", str(self.backup_path)
        ):
            raise ValueError(
                f"STACK_BACKUP_PATH={self.backup_path}: expected an absolute path of plain "
                f"characters"
            )
        return self

    def _backup_directory(self) -> None:
        if "backup_path" not in self.model_fields_set:
            raise ValueError("STACK_BACKUP=local needs STACK_BACKUP_PATH, a directory")

    @model_validator(mode="after")
    def _combinations(self) -> StackConfig:
        files = (self.tls_certificate, self.tls_key)
        if self.tls == "files" and None in files:
            raise ValueError("STACK_TLS=files needs STACK_TLS_CERTIFICATE and STACK_TLS_KEY")
        if self.tls != "files" and files != (None, None):
            raise ValueError("STACK_TLS_CERTIFICATE and STACK_TLS_KEY need STACK_TLS=files")
        self._acme()
        self._named()
        self._several()
        if self.egress and not self._target.closes_egress:
            raise ValueError(
                "STACK_EGRESS=closed needs STACK_TARGET=compose: elsewhere web has no network of "
                "its own"
            )
        if self.database_host and not self._target.apart:
            raise ValueError(
                "STACK_DATABASE_HOST: web hosts apart from the database are set up by Ansible only"
            )
        if self.web_addresses and not self.database_host:
            raise ValueError(
                "STACK_WEB_ADDRESSES needs STACK_DATABASE_HOST, which the certificate names"
            )
        if self.proxy == "on" and self.tls != "off":
            raise ValueError(
                "STACK_PROXY=on needs STACK_TLS=off: either the proxy ends TLS or Apache does"
            )
        self._external()
        self._valkey()
        self._schedule()
        if self._target.image and (reason := refusal_in_containers(self.locale)):
            raise ValueError(reason)
        if self.hsts and (self.tls, self.proxy) == ("off", "off"):
            raise ValueError(f"STACK_HSTS={self.hsts} needs TLS: STACK_TLS, or STACK_PROXY=on")
        return self

    @model_validator(mode="after")
    def _project(self) -> StackConfig:
        given = [name for name in OF_PROJECT if getattr(self, name)]
        if self.project is None and given:
            raise ValueError(
                f"{environment_name(given[0])} needs {self._target.project_input}: "
                "the demo has its own"
            )
        return self

    def _external(self) -> None:
        url, own = EXTERNAL, ("database_password_file", "database_authority")
        if self.database_url is None:
            for name in own:
                if getattr(self, name):
                    raise ValueError(f"{environment_name(name)} needs {url}")
            return
        if not self._target.external:
            raise ValueError(
                f"{url} needs STACK_TARGET=local or compose: a host has a PostgreSQL of the stack's"
            )
        if self.database_password_file is None:
            raise ValueError(f"{url} needs {environment_name(own[0])}")
        if self._target.image:
            self._external_in_containers(url)
        if self.database_url.sslmode != MODES[0]:
            raise ValueError(
                f"{url} needs sslmode={MODES[0]}: PgBouncer would give its password to anybody who "
                "answers"
            )
        if self.backup not in (None, "off"):
            raise ValueError(
                f"STACK_BACKUP={self.backup} needs a PostgreSQL of the stack's own: whoever looks "
                f"after that of {url} keeps its backups"
            )
        if "locale" in self.model_fields_set:
            raise ValueError(
                f"STACK_LOCALE needs a PostgreSQL of the stack's own: the database of {url} is "
                "there already, and sorts as it was made"
            )

    def _external_in_containers(self, url: str) -> None:
        if self.database_authority is None:
            raise ValueError(
                f"{url} needs STACK_DATABASE_AUTHORITY in containers: they do not see this "
                "machine's files. Debian's authorities: /etc/ssl/certs/ca-certificates.crt"
            )
        if self.egress:
            raise ValueError(
                f"{url} needs STACK_EGRESS unset: commands of `manage` go past PgBouncer to that "
                "server, and a closed network leads nowhere"
            )
        if self.workers:
            raise ValueError(
                f"{url} has no STACK_WORKERS in containers: a worker listens past PgBouncer, and "
                "would need the password of pages"
            )

    def _several(self) -> None:
        if not self.sites:
            return
        listed = ", ".join(self.sites)
        if not self._target.units or self.database_host:
            raise ValueError(
                "STACK_SITES needs a host with the database on it: elsewhere a stack has the "
                "machine to itself"
            )
        if self.name not in self.sites:
            raise ValueError(
                f"STACK_SITES names {listed}, and this site is {self.name}: add it, or set "
                "STACK_NAME to one of them"
            )
        if len(self.sites) == 1:
            return
        if names.STACK in self.sites:
            raise ValueError(
                f"STACK_SITES={listed}: {names.STACK} is a site that has its host to "
                "itself; give each of several a name of its own"
            )
        if self.tls not in ("self-signed", "files") or self.proxy == "on":
            raise ValueError(
                f"STACK_SITES={listed}: one Apache ends TLS for all of them, so STACK_TLS is files "
                "or self-signed, and STACK_PROXY off"
            )
        if self.port != HTTPS:
            raise ValueError(f"STACK_PORT={self.port}: several sites share port {HTTPS}; set that")
        if self.web_hosts > 1:
            raise ValueError("STACK_WEB_HOSTS needs a host with one site: leave STACK_SITES out")

    def _named(self) -> None:
        if self.name == names.STACK:
            return
        if not self._target.units:
            raise ValueError(f"STACK_NAME={self.name} needs a host: elsewhere a stack has no name")
        if self.database_host:
            raise ValueError(
                f"STACK_NAME={self.name} needs the database on the same host: where web hosts are "
                "apart from it they are one site's. Leave STACK_NAME out"
            )

    def _valkey(self) -> None:
        if self.valkey == "off":
            if self.valkey_memory:
                raise ValueError("STACK_VALKEY_MEMORY needs STACK_VALKEY=on")
        elif self.web_hosts > 1:
            raise ValueError(
                "STACK_VALKEY=on needs one web host: each of several would have a cache and queues "
                "of its own, and a task would stay on the host of the page that asked for it. Run "
                "one server for all and name it in STACK_ENVIRONMENT"
            )

    def _schedule(self) -> None:
        names = {worker.name for worker in self.workers}
        if both := [entry.name for entry in self.schedule if entry.name in names]:
            raise ValueError(
                f"STACK_SCHEDULE: {both[0]} is the name of a worker too; give one of them another"
            )

    def _acme(self) -> None:
        if self.tls != "acme":
            return
        if not self._target.acme or self.port != 443:
            raise ValueError(
                "STACK_TLS=acme needs a host and STACK_PORT=443: the authority asks ports 80 and "
                "443"
            )
        if self.acme_email is None:
            raise ValueError("STACK_TLS=acme needs STACK_ACME_EMAIL")
        odd = [name for name in self.hosts if _FULL_NAME.fullmatch(name) is None]
        if odd:
            raise ValueError(
                f"STACK_HOSTS: {odd[0]}: an authority certifies full names only with STACK_TLS=acme"
            )

    @property
    def _target(self) -> targets.Target:
        return targets.of(self.target)

    @property
    def external(self) -> DatabaseUrl | None:
        """A PostgreSQL that is somebody else's."""
        url, authority = self.database_url, self.database_authority
        return url.model_copy(update={"sslrootcert": str(authority)}) if url and authority else url

    @property
    def part(self) -> HostPart:
        """What this host runs of the stack."""
        return host_parts.of(
            self.database_host, bool(self.web_addresses), self.database_url is not None
        )


EXTERNAL = PREFIX + "DATABASE_URL"
"""it may hold a password, which no message repeats"""


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
        name = environment_name(field)
        given = name if name == EXTERNAL else f"{name}={problem['input']}"
        lines.append(f"{given}: {reason}. Meaning: {meaning}.")
    return "\n".join(dict.fromkeys(lines))
