"""Inputs that say what runs beside PostgreSQL, PgBouncer and Apache: the project with its commands,
the cache, and what watches over them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pgstack.planning.input_types import (
    MAIL,
    MODULE,
    Builds,
    Bytes,
    Commands,
    Extensions,
    Locale,
    Names,
    Packages,
    declare,
)
from pgstack.planning.lane_input import Lanes
from pgstack.planning.machine_inputs import MachineInputs
from pgstack.planning.schedule_input import Schedule
from pgstack.planning.worker_input import Workers


class ProjectInputs(MachineInputs):
    """The project, workers, schedule, cache, metrics and alerts."""

    project: Path | None = declare(None, "directory of your project", "path", unset="the demo")
    settings: str | None = declare(
        None,
        "settings module of the project",
        "module",
        unset="what `manage.py` names",
        pattern=MODULE,
    )
    wsgi: str | None = declare(
        None,
        "module of the project's WSGI application",
        "module",
        unset="what its settings name",
        pattern=MODULE,
    )
    requirements: str | None = declare(
        None,
        "requirements file, within the project",
        "path",
        unset="that of its packaging tool",
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9_./-]*$",
    )
    commands: Commands = declare(
        (), "the project's management commands after migrate", "commands, ;-separated"
    )
    build: Builds = declare(
        (),
        "the project's build commands, run before it serves, without the database",
        "commands, ;-separated",
    )
    environment: Path | None = declare(
        None, "file of variables for the project, NAME=value lines", "path"
    )
    data: Names = declare(
        (),
        "variables that name directories which the project's pages may write into",
        "names, comma-separated",
    )
    packages: Packages = declare(
        (), "Debian packages that the project needs", "names, comma-separated"
    )
    workers: Workers = declare(
        (),
        "commands that run beside pages, with a pool of their own (docs/workers.md)",
        "NAME=COMMAND, ;-separated",
    )
    lanes: Lanes = declare(
        (),
        "pages with web processes and a pool of their own (docs/lanes.md)",
        "NAME=PREFIXES, ;-separated",
    )
    replicas: Literal["off", "read"] = declare(
        "off",
        "whether there is an alias `replica`, which reads from the standbys of a cluster "
        "(docs/replicas.md)",
        "name",
    )
    valkey: Literal["on", "off"] = declare(
        "off",
        "whether Valkey (Debian 12: Redis) runs as cache and broker (docs/cache.md)",
        "name",
    )
    valkey_memory: Bytes | None = declare(
        None,
        "memory for cache and queues (maxmemory)",
        "bytes",
        unset="planned",
        ge=4 * 1024**2,
    )
    observability: Literal["basic", "full", "off"] | None = declare(
        None,
        "metrics by an exporter (basic), with Prometheus and Alertmanager too (full), or none "
        "(docs/observability.md)",
        "name",
        unset="`basic`",
    )
    metrics_port: int | None = declare(
        None,
        "loopback port of the exporter; 0: on its socket alone (docs/observability.md)",
        "port",
        on="host",
        unset="8400; 0 on a host with several sites",
        ge=0,
        le=65535,
    )
    alert_mail: str | None = declare(
        None,
        "whom alerts are mailed to, with observability=full",
        "e-mail addresses, comma-separated",
        on="compose host",
        pattern=f"^{MAIL}(, ?{MAIL})*$",
    )
    alert_smtp: str | None = declare(
        None,
        "server that takes this mail; it has to speak TLS unless it is on this machine",
        "host:port",
        on="compose host",
        pattern=r"^([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\]):[0-9]{1,5}$",
    )
    alert_from: str | None = declare(
        None,
        "sender of this mail",
        "e-mail address",
        on="compose host",
        unset="`stack@` and the first of the host names",
        pattern=f"^{MAIL}$",
    )
    alert_smtp_user: str | None = declare(
        None,
        "login at that server",
        "name",
        on="compose host",
        pattern=r"^[^\s\"'\\]+$",
    )
    alert_smtp_password_file: Path | None = declare(
        None,
        "file whose first line is the password of that login; on a host a file there",
        "path",
        on="compose host",
    )
    alert_webhook_file: Path | None = declare(
        None,
        "file whose first line is the URL that alerts are posted to (Alertmanager's JSON); on a "
        "host a file there",
        "path",
        on="compose host",
    )
    alert_watchdog_file: Path | None = declare(
        None,
        "file whose first line is the URL of a receiver outside that calls when nothing comes "
        "any more (docs/alerts.md); on a host a file there",
        "path",
        on="compose host",
    )
    schedule: Schedule = declare(
        (),
        "commands that run at set times, beside pages (docs/schedule.md)",
        "NAME=WHEN COMMAND, ;-separated",
    )
    locale: Locale = declare(
        "C.UTF-8",
        "sort order of the database: C.UTF-8, icu:de-DE and the like, or a locale of the machine",
        "name",
    )
    extensions: Extensions = declare(
        (),
        "extensions of PostgreSQL, with their packages (docs/extensions.md)",
        "names, comma-separated",
    )
