"""What a run is measured on: processor, memory, kernel, versions, and who gets which core."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from importlib import metadata
from pathlib import Path

import psutil

from loadtest.lab import yardstick
from loadtest.lab.model import Machine
from loadtest.lab.paths import PACKAGES
from loadtest.lab.trial import Cores
from pgstack.planning import services
from pgstack.planning.plan import Plan

STACK_PACKAGES = ("Django", "psycopg2-binary", "locust")
POSTGRES_SETTINGS = ("shared_buffers", "synchronous_commit", "jit")
LAB_PACKAGES = (
    "psycopg",
    "psycopg-pool",
    "django-db-connection-pool",
    "SQLAlchemy",
    "gunicorn",
    "granian",
)


def cores(shared: bool) -> Cores:
    """The last core for the generator and the rest for the stack; all for both when they share or
    there is only one."""
    every = tuple(sorted(os.sched_getaffinity(0)))
    if shared or len(every) == 1:
        return Cores(every, every)
    return Cores(every[:-1], every[-1:])


def machine(chosen: Cores) -> Machine:
    """This machine; it takes a second to find out how fast its stack's cores are."""
    text = Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*: (.+)$", text, re.MULTILINE)
    release = platform.freedesktop_os_release()
    return Machine(
        processor=model[1] if model else platform.machine(),
        cores=len(os.sched_getaffinity(0)),
        memory_bytes=psutil.virtual_memory().total,
        kernel=platform.release(),
        debian=release.get("PRETTY_NAME", "unknown"),
        stack_cores=chosen.stack,
        generator_cores=chosen.generator,
        work_ms=yardstick.best(chosen.stack) if chosen.stack else None,
    )


def versions(plan: Plan) -> dict[str, str]:
    """Version of each server and package that is installed here."""
    commands = {
        "PostgreSQL": (services.postgres_program(plan, "postgres"), "--version"),
        "PgBouncer": (services.PGBOUNCER.words(plan)[0], "--version"),
        "Apache": (services.APACHE.words(plan)[0], "-v"),
        "Pgpool-II": ("/usr/sbin/pgpool", "--version"),
        "MariaDB": ("/usr/sbin/mariadbd", "--version"),
        "wrk": ("/usr/bin/wrk", "--version"),
        "nginx": ("/usr/sbin/nginx", "-v"),
        "uWSGI": ("/usr/bin/uwsgi-core", "--version"),
    }
    installed = {"Python": platform.python_version()}
    for name, command in commands.items():
        if Path(command[0]).exists():
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            number = re.search(r"\d+\.[\d.]*\d", done.stdout + done.stderr)
            installed[name] = number[0] if number else "unknown"
    for package in STACK_PACKAGES:
        installed[package] = metadata.version(package)
    for distribution in metadata.distributions(path=[str(PACKAGES)]):
        if distribution.name.lower() in {name.lower() for name in LAB_PACKAGES}:
            installed[distribution.name] = distribution.version
    return installed


def figures(plan: Plan) -> dict[str, int | str]:
    """What of the plan decides over a result."""
    return {
        "web.processes": plan.web.processes,
        "web.threads": plan.web.threads,
        "apache.max_request_workers": plan.apache.max_request_workers,
        "pooler.default_pool_size": plan.pooler.default_pool_size,
        "pooler.max_db_connections": plan.pooler.max_db_connections,
        "postgres.max_connections": plan.postgres.max_connections,
        **{f"postgres.{name}": plan.postgres.settings[name] for name in POSTGRES_SETTINGS},
    }
