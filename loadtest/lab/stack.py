"""The lab's own stack: one directory, one set of data for all strategies, and its servers started
trial by trial."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from loadtest.lab import interrupts, restoring, services
from loadtest.lab.paths import PACKAGES
from loadtest.lab.processes import Processes, pinned
from loadtest.lab.server import LabStack, Strategy
from pgstack.errors import InputError, TargetError
from pgstack.live import account
from pgstack.metrics.advice import ADVISED
from pgstack.ops import rendered
from pgstack.ops.postgres import psql
from pgstack.planning import layout, state
from pgstack.planning.plan import Plan
from pgstack.ports import free_address, free_port
from pgstack.rendering.file import File

OF_PROJECT = frozenset(
    f"STACK_{name}"
    for name in (
        "PROJECT",
        "SETTINGS",
        "WSGI",
        "REQUIREMENTS",
        "COMMANDS",
        "BUILD",
        "ENVIRONMENT",
        "DATA",
        "VALKEY",
        "LOCALE",
        "EXTENSIONS",
        "PACKAGES",
        "PROCESS_MEMORY",
    )
)
"""inputs that say what a project is and needs; workers and schedule would take time from pages"""
# `seed` speaks PostgreSQL; these are the rows of the benchmark pages.
MARIADB_ROWS = """
from random import randint
from demo.models import WORLD_ROWS, Fortune, World
from demo.seeding import FORTUNES
worlds = (World(id=n, random_number=randint(1, WORLD_ROWS)) for n in range(1, WORLD_ROWS + 1))
World.objects.bulk_create(worlds)
Fortune.objects.bulk_create(Fortune(id=n, message=text) for n, text in enumerate(FORTUNES, 1))
"""


@dataclass(frozen=True)
class Brought:
    """A project of the user's. `environments` keeps its virtual environment for the next stack, and
    `dump` is what fills the database; without one, its migrations and STACK_COMMANDS do."""

    environments: Path
    dump: Path | None = None


def become_account(results: Path, brought: Brought | None = None) -> None:
    """From here on the process is the account that a stack runs as, and `results` is that
    account's.

    Raises StackError when it cannot be, or cannot enter the checkout or the project.
    """
    inputs = state.inputs()
    name = layout.accounts(inputs).web
    code = layout.project_directory(inputs) if brought else layout.CHECKOUT / "app"
    account.require(name, results, code)
    if brought:
        account.prepare(name, brought.environments)
    account.enter(name, results, code)
    if brought and brought.dump and not os.access(brought.dump, os.R_OK):
        raise InputError(
            f"DUMP={brought.dump}: the account {name} cannot read it. Let it with `chmod o+r`, in "
            "a directory that everybody may enter, such as /srv."
        )


@contextmanager
def prepared(
    cores: tuple[int, ...], strategies: Iterable[Strategy], brought: Brought | None = None
) -> Iterator[LabStack]:
    """A stack with data in a directory of its own, planned for `cores`, its servers down; removed
    afterwards."""
    port, directory = free_port(), None
    try:
        with interrupts.deferred():
            directory = Path(
                tempfile.mkdtemp(prefix="load-", dir="/tmp")
            )  # a short path: sockets live below it
        directory.chmod(0o755)
        if brought:
            (directory / "venvs").symlink_to(brought.environments)
        with pinned(cores):
            local(directory, port, "up", brought)
            lab_stack = LabStack(
                directory, Plan.model_validate_json((directory / "conf/plan.json").read_bytes())
            )
            local(directory, port, "down")
        _open_tcp(lab_stack, cores)
        if on_mysql := next(
            (strategy for strategy in strategies if strategy.driver == "mysql"), None
        ):
            _create_mariadb(lab_stack, cores, on_mysql)
        yield lab_stack
    finally:
        if directory:
            with interrupts.deferred():
                _remove(directory, port)


def _remove(directory: Path, port: int) -> None:
    if (directory / "conf/plan.json").exists():
        local(directory, port, "down", check=False)
    shutil.rmtree(directory)


def environment(lab_stack: LabStack, strategy: Strategy) -> dict[str, str]:
    """What a web process needs to run with `strategy`."""
    # A project's own packages come before those of the lab: `settings` appends them.
    path = [layout.CHECKOUT] if lab_stack.plan.project else [layout.CHECKOUT, PACKAGES]
    return {
        "STACK_PLAN": f"{lab_stack.plan.paths.conf}/plan.json",
        "DJANGO_SETTINGS_MODULE": "loadtest.lab.settings",
        "LAB_STRATEGY": strategy.name,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": os.pathsep.join(map(str, path)),
    }


def manage(lab_stack: LabStack, strategy: Strategy, *arguments: str) -> None:
    """A management command with the settings of `strategy`. Raises TargetError."""
    command = [sys.executable, f"{lab_stack.plan.paths.app}/manage.py", *arguments]
    _run(*command, environment={**os.environ, **environment(lab_stack, strategy)})


def local(
    directory: Path,
    port: int,
    action: str,
    brought: Brought | None = None,
    *,
    check: bool = True,
    checkout: Path = layout.CHECKOUT,
) -> None:
    """`manage.py stack_local` of `checkout` for this directory, with the caller's inputs for cores,
    memory and the project alone; a dump is restored before the project's migrations."""
    kept = {"STACK_CORES", *ADVISED, *(OF_PROJECT if brought else ())}
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("STACK_") or name in kept
    }
    inherited |= {
        "STACK_DIR": str(directory),
        "STACK_PORT": str(port),
        "STACK_TARGET": "local",
        "STACK_TLS": "off",
        "STACK_ADDRESS": "127.0.0.1",
        "STACK_HOSTS": "127.0.0.1",
        # What .env says of these counts for the stack that runs here.
        "STACK_WORKERS": "",
        "STACK_SCHEDULE": "",
        # Ways to connect are compared with one pooler each.
        "STACK_POOLERS": "1",
        **({} if brought else {"STACK_PROJECT": ""}),
    }
    words = [str(checkout / "app/manage.py"), "stack_local", action]
    if brought and brought.dump:
        words = [restoring.__file__, str(brought.dump)]
    own = checkout == layout.CHECKOUT
    python = sys.executable if own else f"{checkout}/.venv/bin/python"
    try:
        _run(python, *words, environment=inherited)
    except TargetError:
        if check:
            raise


def _run(*command: str, environment: dict[str, str] | None = None, text: str | None = None) -> str:
    with interrupts.deferred():  # what is killed halfway may leave a process behind
        done = subprocess.run(
            command, input=text, capture_output=True, text=True, check=False, env=environment
        )
    if done.returncode:
        raise TargetError(
            f"{Path(command[0]).name} {' '.join(command[1:3])}: {done.stderr.strip()[-800:]}"
        )
    return done.stdout


def _open_tcp(lab_stack: LabStack, cores: tuple[int, ...]) -> None:
    """What `services.postgres_tcp` needs: a certificate, and a role with a password beside the
    stack's own."""
    plan, password = lab_stack.plan, secrets.token_urlsafe(24)
    _run(
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
        "-keyout",
        f"{plan.paths.data}/loadtest.key",
        "-out",
        f"{plan.paths.data}/loadtest.crt",
    )
    host = free_address(plan.postgres.port)
    login = {"host": host, "user": services.LOGIN, "password": password}
    rendered.write(
        [File(Path(plan.paths.secrets, services.LOGIN_FILE), services.encoded(login), 0o600)]
    )
    statements = [
        f"CREATE ROLE {services.LOGIN} LOGIN PASSWORD '{password}' IN ROLE {plan.roles.app};"
    ]
    for name, value in plan.postgres.app_settings.items():
        statements.append(f"ALTER ROLE {services.LOGIN} SET {name} = '{value}';")
    processes = Processes(cores, Path(plan.paths.log))
    try:
        processes.start(services.postgres(lab_stack))
        place = plan.paths.run_postgres, plan.postgres.port, "postgres"
        _run(*psql(*place, user=plan.roles.admin), text="\n".join(statements))
    finally:
        processes.stop()


def _create_mariadb(lab_stack: LabStack, cores: tuple[int, ...], strategy: Strategy) -> None:
    """The same schema and rows in MariaDB."""
    directory = lab_stack.folder("mariadb")
    options = [
        "--no-defaults",
        f"--datadir={directory}/data",
        "--skip-test-db",
        "--auth-root-authentication-method=socket",
        f"--auth-root-socket-user={lab_stack.plan.accounts.web}",
    ]
    _run("/usr/bin/mariadb-install-db", *options)
    processes = Processes(cores, Path(lab_stack.plan.paths.log))
    try:
        processes.start(services.mariadb(lab_stack))
        statement = f"CREATE DATABASE {lab_stack.plan.postgres.database} CHARACTER SET utf8mb4"
        _run(
            "/usr/bin/mariadb",
            "--no-defaults",
            f"--socket={directory}/mariadb.sock",
            "-e",
            statement,
        )
        manage(lab_stack, strategy, "migrate", "--no-input", "-v0", "--database=default")
        manage(lab_stack, strategy, "shell", "-c", MARIADB_ROWS)
    finally:
        processes.stop()
