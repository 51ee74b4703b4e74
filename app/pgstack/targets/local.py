"""The embedded target: private instances of Debian's servers under one directory, on sockets."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from pgstack import account, render, state, tls
from pgstack.errors import ProbeError, TargetError
from pgstack.plan import Plan
from pgstack.probes import web
from pgstack.targets import supervision

Say = Callable[[str], None]
READY_SECONDS = 2


def up(say: Say) -> str:
    """Start everything that does not run yet and return the page's address.

    Raises StackError when a package is missing, the port is taken or a server does not start.
    """
    plan = state.fresh_plan()
    _require_packages(plan)
    tls.provided(plan)  # before anything is changed; read again below with the rights of the account
    root = Path(plan.paths.root)
    account.prepare(plan.accounts.web, root)
    account.assume(plan.accounts.web)
    wanted = [*tls.files(plan), *render.files(plan)]
    if supervision.states(plan) is None:
        if supervision.stop(plan):
            say("stopped   what ran on without a supervisor")
    elif render.difference(wanted):
        say("restart   the configuration changes")
        supervision.stop(plan)
    if (supervision.states(plan) or {}).get("apache") != "RUNNING":
        _require_free_port(plan)
    _directories(plan)
    render.ensure_secrets(plan)
    changed = render.write(wanted)
    say(f"rendered  {len(changed)} files changed in {plan.paths.conf}")
    _initialise(plan, say)
    supervision.start_daemon(plan)
    supervision.start(plan, "postgres")
    supervision.wait(lambda: _psql(plan, "SELECT 1").returncode == 0, "PostgreSQL", f"{plan.paths.log}/postgres.log")
    _require(_psql(plan, file=f"{plan.paths.conf}/postgres/roles.sql"), "roles.sql")
    say("postgres  answers on its socket, roles in place")
    supervision.start(plan, "pgbouncer")
    for arguments in (["migrate", "--no-input", "-v0"], ["seed"], ["collectstatic", "--no-input", "-v0"]):
        _manage(plan, *arguments)
    say("database  migrated and seeded")
    supervision.start(plan, "apache")
    supervision.wait(lambda: _ready(plan), "the page", f"{plan.paths.log}/apache-error.log")
    return plan.site.url


def down() -> bool:
    """Stop everything; False when nothing ran."""
    return supervision.stop(_rendered())


def status() -> tuple[str, dict[str, str]]:
    """The page's address, and the state of each server by name; no state when nothing runs."""
    plan = _rendered()
    return plan.site.url, supervision.states(plan) or supervision.unsupervised(plan)


def _rendered() -> Plan:
    plan = state.started_plan()
    account.assume_owner(Path(plan.paths.root))
    return plan


def _require_packages(plan: Plan) -> None:
    needed = {
        f"/usr/lib/postgresql/{plan.versions.postgresql}/bin/postgres": f"postgresql-{plan.versions.postgresql}",
        "/usr/sbin/pgbouncer": "pgbouncer", "/usr/sbin/apache2": "apache2-bin",
        "/usr/lib/apache2/modules/mod_wsgi.so": "libapache2-mod-wsgi-py3", "/etc/mime.types": "media-types",
    }  # fmt: skip
    if plan.site.tls == "self-signed":
        needed["/usr/bin/openssl"] = "openssl"
    missing = [package for path, package in needed.items() if not Path(path).exists()]
    if missing:
        raise TargetError(
            f"missing packages: {', '.join(missing)}. As root, in this directory: make packages"
        )


def _require_free_port(plan: Plan) -> None:
    address = "" if plan.site.address == "*" else plan.site.address.strip("[]")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, plan.site.port))
        except OSError as error:
            raise TargetError(
                f"STACK_PORT={plan.site.port}: {error.strerror} ({plan.site.address}). "
                "Choose another, such as STACK_PORT=8001."
            ) from None


def _directories(plan: Plan) -> None:
    paths = plan.paths
    for directory in (paths.conf, paths.log, paths.static):
        Path(directory).mkdir(parents=True, exist_ok=True)
    for directory in (paths.run_postgres, paths.run_pooler, paths.run_apache, paths.secrets, paths.tls):
        Path(directory).mkdir(mode=0o700, parents=True, exist_ok=True)


def _initialise(plan: Plan, say: Say) -> None:
    """initdb into a neighbour that is renamed when complete, so that data is whole or not there."""
    data = Path(plan.paths.data)
    if data.exists():
        return
    scratch = data.with_name("data.new")
    shutil.rmtree(scratch, ignore_errors=True)
    binary = f"/usr/lib/postgresql/{plan.versions.postgresql}/bin/initdb"
    done = subprocess.run(
        [binary, "-D", str(scratch), "-U", plan.roles.admin, "-A", "peer", "-k", "-E", "UTF8", "--locale=C.UTF-8"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    _require(done, "initdb")
    scratch.rename(data)
    say("initdb    data checksums on")


def _psql(plan: Plan, command: str | None = None, file: str | None = None) -> subprocess.CompletedProcess[str]:
    what = ["-c", command] if command else ["-f", str(file)]
    return subprocess.run(
        ["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-h", plan.paths.run_postgres, "-p", str(plan.postgres.port),
         "-U", plan.roles.admin, "-d", "postgres", *what],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def _manage(plan: Plan, *arguments: str) -> None:
    environment = {**os.environ, "STACK_PLAN": f"{plan.paths.conf}/plan.json"}
    command = [sys.executable, f"{plan.paths.app}/manage.py", *arguments]
    _require(
        subprocess.run(command, capture_output=True, text=True, check=False, env=environment),
        f"manage.py {arguments[0]}",
    )


def _require(done: subprocess.CompletedProcess[str], what: str) -> None:
    if done.returncode:
        raise TargetError(f"{what}: {done.stderr.strip()[-800:] or done.stdout.strip()[-800:]}")


def _ready(plan: Plan) -> bool:
    with contextlib.suppress(ProbeError):
        web.ask(plan, "readyz", READY_SECONDS)
        return True
    return False
