"""A temporary local stack for one strategy: its own directory, port and Django settings."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadtest.strategies import SETTINGS
from pgstack import ports
from pgstack.errors import TargetError
from pgstack.plan import Plan

PROJECT = Path(__file__).resolve().parents[1]
LOGIN = "loadtest"  # not `app`: each start takes passwords away from the stack's own roles


@dataclass(frozen=True)
class Lab:
    """A stack that runs with the settings of one strategy."""

    directory: Path
    port: int

    @property
    def url(self) -> str:
        """Address of the site, without a slash at its end."""
        return f"http://127.0.0.1:{self.port}"

    def plan(self) -> Plan:
        """What this stack was rendered from."""
        return Plan.model_validate_json((self.directory / "conf/plan.json").read_bytes())

    def local(self, action: str, settings: str) -> None:
        """`manage.py stack_local` for this stack. Supervisor hands the environment on to the web processes."""
        environment = {name: value for name, value in os.environ.items() if name != "STACK_PLAN"}
        environment |= {
            "STACK_DIR": str(self.directory), "STACK_PORT": str(self.port), "STACK_TARGET": "local", "STACK_TLS": "off",
            "STACK_ADDRESS": "127.0.0.1", "STACK_HOSTS": "127.0.0.1,localhost",
            "DJANGO_SETTINGS_MODULE": settings, "PYTHONPATH": str(PROJECT),
        }  # fmt: skip
        command = [sys.executable, str(PROJECT / "app/manage.py"), "stack_local", action]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise TargetError(f"stack_local {action}, {settings}: {done.stderr.strip() or done.stdout.strip()}")

    def as_owner(self, *command: str, **options: Any) -> str:
        """Output of a command run as the account that the servers run as."""
        owner = self.directory.stat()
        if os.geteuid() == 0:
            options |= {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}
        done = subprocess.run(command, cwd=self.directory, capture_output=True, text=True, check=False, **options)
        if done.returncode:
            raise TargetError(f"{Path(command[0]).name}: {done.stderr.strip()}")
        return str(done.stdout).strip()

    def sql(self, text: str) -> str:
        """Answer to `text`, sent on standard input, from the administrator's session."""
        plan = self.plan()
        login = ["-h", plan.paths.run_postgres, "-p", str(plan.postgres.port), "-U", plan.roles.admin, "-d", "postgres"]
        return self.as_owner("psql", "-XqAt", "-v", "ON_ERROR_STOP=1", *login, input=text)

    def backends(self) -> int:
        """Connections of the application that PostgreSQL serves now."""
        plan = self.plan()
        who = f"datname = '{plan.postgres.database}' AND usename IN ('{plan.roles.app}', '{LOGIN}')"
        return int(self.sql(f"SELECT count(*) FROM pg_stat_activity WHERE {who}"))

    def sessions(self) -> int:
        """Connections that were made to the application's database so far."""
        return int(self.sql(f"SELECT sessions FROM pg_stat_database WHERE datname = '{self.plan().postgres.database}'"))


@contextmanager
def running(strategy: str) -> Iterator[Lab]:
    """A lab with `strategy`, up; stopped and deleted afterwards."""
    directory = Path(tempfile.mkdtemp(prefix="load-", dir="/tmp"))  # a short path: sockets live below it
    directory.chmod(0o755)
    lab = Lab(directory, ports.free_port())
    try:
        if strategy == "reconnect":
            lab.local("up", SETTINGS["pgbouncer"])
            open_tcp(lab)
            lab.local("down", SETTINGS["pgbouncer"])
        lab.local("up", SETTINGS[strategy])
        yield lab
    finally:
        if (directory / "conf/plan.json").exists():
            lab.local("down", SETTINGS["pgbouncer"])
        shutil.rmtree(directory)


def open_tcp(lab: Lab) -> None:
    """Let PostgreSQL listen on a loopback address with TLS and SCRAM from its next start on."""
    plan, host, password = lab.plan(), ports.free_address(lab.plan().postgres.port), secrets.token_urlsafe(24)
    lab.as_owner(
        "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
        "-keyout", f"{plan.paths.data}/loadtest.key", "-out", f"{plan.paths.data}/loadtest.crt",
    )  # fmt: skip
    rules = Path(plan.paths.conf, "postgres/pg_hba.conf").read_text()
    rules += f"hostssl {plan.postgres.database} {LOGIN} 127.0.0.0/8 scram-sha-256\n"
    _write(lab, f"{plan.paths.data}/loadtest_hba.conf", rules)
    login = {"host": host, "user": LOGIN, "password": password}
    _write(lab, f"{plan.paths.secrets}/loadtest.json", json.dumps(login))
    values = {
        "listen_addresses": host, "ssl": "on", "ssl_cert_file": "loadtest.crt", "ssl_key_file": "loadtest.key",
        "hba_file": f"{plan.paths.data}/loadtest_hba.conf",
    }  # fmt: skip
    lab.sql(
        f"CREATE ROLE {LOGIN} LOGIN PASSWORD '{password}' IN ROLE {plan.roles.app};\n"
        + "".join(f"ALTER ROLE {LOGIN} SET {name} = '{value}';\n" for name, value in plan.postgres.app_settings.items())
        + "".join(f"ALTER SYSTEM SET {name} = '{value}';\n" for name, value in values.items())
    )


def _write(lab: Lab, path: str, text: str) -> None:
    lab.as_owner("sh", "-c", 'umask 077; cat > "$1"', "sh", path, input=text)
