"""Containers on a PostgreSQL that is somebody else's: a container of its own, TLS and SCRAM."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from compose_stack import CHECKOUT, ComposeStack, copy_checkout, require_engine

from fixtures import certificates
from fixtures.steady_load import under_load
from pgstack.ports import free_port

pytestmark = [pytest.mark.compose, pytest.mark.slow]

NAME = "db.example"
PASSWORD = f"{Path(__file__).stem}-word"
DEPLOY = 5004
START_SECONDS = 60
MEDIA = "/var/lib/stack-media"
START = """\
set -eu
program=$(echo /usr/lib/postgresql/*/bin)
$program/initdb --pgdata=/tmp/data --username=postgres --auth=trust --no-sync --encoding=UTF8 > /dev/null
install -m 600 /given/server.key /tmp/server.key
printf 'local all all trust\\nhostssl all all all scram-sha-256\\n' > /tmp/hba.conf
exec $program/postgres -D /tmp/data -k /tmp --listen_addresses='*' --ssl=on --hba_file=/tmp/hba.conf \\
    --ssl_cert_file=/given/server.pem --ssl_key_file=/tmp/server.key --max_connections=40
"""
LOGINS = f"""
CREATE ROLE dba LOGIN CREATEROLE CREATEDB PASSWORD '{PASSWORD}';
GRANT pg_monitor TO dba WITH ADMIN OPTION;
CREATE DATABASE site OWNER dba;
"""


@dataclass(frozen=True)
class Given:
    """The files of the server and of its login, and its container."""

    directory: Path
    container: str

    def inputs(self, password: str = PASSWORD) -> dict[str, str]:
        """Those of a stack on it."""
        file = self.directory / f"password-{len(password)}"
        file.write_text(f"{password}\n")
        file.chmod(0o400)
        if os.geteuid() == 0:
            os.chown(file, DEPLOY, DEPLOY)
        return {
            "STACK_DATABASE_URL": f"postgresql://dba@{NAME}/site",
            "STACK_DATABASE_PASSWORD_FILE": str(file),
            "STACK_DATABASE_AUTHORITY": str(self.directory / "server.pem"),
            "STACK_WORKERS": "tick=python task_worker.py",
            "STACK_SCHEDULE": "look=every 1m manage.py showmigrations",
        }

    def psql(self, script: str) -> str:
        """What the superuser is answered."""
        words = ["docker", "exec", "-i", self.container, "psql", "-XqAt", "-h/tmp", "-Upostgres"]
        done = subprocess.run(words, input=script, capture_output=True, text=True, check=True)
        return done.stdout.strip()


def server(stack: ComposeStack, directory: Path) -> Given:
    """Started in the network of the stack, where a name leads to it."""
    key, certificate = directory / "server.key", directory / "server.pem"
    made = certificates.openssl(f"DNS:{NAME}", key, certificate)
    subprocess.run(made, check=True, capture_output=True)
    (directory / "start.sh").write_text(START)
    for path in (directory, key, certificate, directory / "start.sh"):
        path.chmod(0o755)
    given = Given(directory, f"{stack.project}-server")
    place = (f"--network={stack.project}_default", f"--network-alias={NAME}")
    what = (f"--volume={directory}:/given:ro", "--entrypoint=sh", f"{stack.project}-postgres")
    words = ["docker", "run", "--detach", f"--name={given.container}", *place, *what]
    stack.run(*words, "/given/start.sh")
    deadline = time.monotonic() + START_SECONDS
    while not answers(given):
        assert time.monotonic() < deadline, stack.run("docker", "logs", given.container).stderr
        time.sleep(0.2)
    given.psql(LOGINS)
    return given


def answers(given: Given) -> bool:
    try:
        return given.psql("SELECT 1") == "1"
    except subprocess.CalledProcessError:
        return False


@pytest.fixture(scope="module")
def given() -> Iterator[tuple[ComposeStack, Given]]:
    """A stack's images and network, and the server in it."""
    require_engine()
    directory = Path(tempfile.mkdtemp(prefix="external-", dir="/tmp"))
    checkout = directory / "checkout"
    copy_checkout(checkout)
    shutil.copy(CHECKOUT / "tests/fixtures/task_worker.py", checkout / "app")
    name = f"pgstack-external-{os.getpid()}"
    stack = ComposeStack(project=name, port=free_port(), checkout=checkout)
    try:
        stack.compose("build", "configure", "postgres", "pgbouncer")
        stack.compose("build", "web")
        stack.compose("up", "--no-start", "--no-deps", "port")
        yield stack, server(stack, directory)
    finally:
        stack.run("docker", "rm", "--force", f"{stack.project}-server", check=False)
        stack.remove()
        left = stack.orphans()
        shutil.rmtree(directory)
    assert left == []


@pytest.fixture(scope="module")
def running(given: tuple[ComposeStack, Given]) -> ComposeStack:
    """The stack, up on it."""
    stack, place = given
    own = stack.with_inputs(place.inputs())
    own.up()
    own.wait_until_steady()
    return own


def test_a_wrong_password_is_one_message(given: tuple[ComposeStack, Given]) -> None:
    """Before anything runs."""
    stack, place = given
    told = stack.with_inputs(place.inputs("wrong")).run(
        "make", "-s", "up", "TARGET=compose", check=False
    )
    assert told.returncode == 2
    assert "Fix the login in the URL or the password in the file" in told.stderr
    assert not stack.container("web")
    assert place.psql("SELECT count(*) FROM pg_roles WHERE rolname ~ '^app'") == "0"


def test_no_postgresql_of_the_stack_runs(running: ComposeStack) -> None:
    assert not running.container("postgres")
    told = running.run("make", "-s", "status", "TARGET=compose", check=False).stdout
    rows = [line.split() for line in told.splitlines()]
    assert ["pgbouncer", "running"] in rows
    assert ["database", "NOT", "OURS", f"{NAME}:5432"] in rows


def test_what_runs_is_what_was_planned(running: ComposeStack) -> None:
    told = running.run("make", "-s", "verify", "TARGET=compose", check=False)
    assert told.returncode == 0, told.stdout
    assert "unproven of db.example" in told.stdout


def test_only_who_logs_in_there_is_given_what_it_takes(
    running: ComposeStack, given: tuple[ComposeStack, Given]
) -> None:
    """The login's password is in no container but `configure`; that of pages is PgBouncer's."""
    shown = {name: json.dumps(running.inspect(name)) for name in ("configure", "pgbouncer", "web")}
    assert [name for name, text in shown.items() if PASSWORD in text] == []
    assert [name for name, text in shown.items() if "database_password" in text] == ["configure"]
    assert "/etc/stack-database" not in shown["web"]
    place = "/etc/stack-database"
    read = running.compose("exec", "-T", "pgbouncer", "cat", f"{place}/pgpass", check=False)
    assert "Permission denied" in read.stderr
    listed = running.compose("exec", "-T", "pgbouncer", "ls", "-l", f"{place}/userlist.txt").stdout
    assert listed.startswith("-r--r----- 1 deploy pooler")


def test_workers_and_the_schedule_run_on_a_pool_of_their_own(
    running: ComposeStack, given: tuple[ComposeStack, Given]
) -> None:
    """Over PgBouncer, which has the password; they have none."""
    noted = running.execute("background", "sh", "-c", f"cat {MEDIA}/worker-*").stdout
    assert "begins app_background 5min " in noted
    assert "\ndone 1\n" in noted
    verified = running.run("make", "-s", "verify", "TARGET=compose").stdout
    for said in ("1 x tick run", "workers have their own pool", "commands are scheduled"):
        assert said in verified
    asked = "SELECT DISTINCT usename, ssl FROM pg_stat_activity JOIN pg_stat_ssl USING (pid)"
    told = given[1].psql(f"{asked} WHERE usename IN ('app', 'app_worker', 'app_owner')")
    assert told == "app|t"
    deadline = time.monotonic() + 90
    while not re.search("schedule-look +WAITING  ended with 0", status(running)):
        assert time.monotonic() < deadline, status(running)
        time.sleep(1)


def status(stack: ComposeStack) -> str:
    return stack.run("make", "-s", "status", "TARGET=compose", check=False).stdout


def test_no_password_is_within_reach_of_workers(running: ComposeStack) -> None:
    words = ("ls", "/etc/stack-database", "/run/secrets/database_password")
    read = running.compose("exec", "-T", "background", *words, check=False)
    assert read.stdout == "/etc/stack-database:\n"
    assert "/run/secrets/database_password': No such file or directory" in read.stderr
    done = running.compose("exec", "-T", "background", "python", "-c", PAST, check=False)
    assert "a worker has no session past PgBouncer" in done.stderr


PAST = """
import os
os.environ |= {"STACK_WORKER": "tick", "DJANGO_SETTINGS_MODULE": "config.settings"}
import django
django.setup()
from django.db import connections
connections["direct"].ensure_connection()
"""


def test_a_reload_loses_no_request(running: ComposeStack) -> None:
    own = running.with_inputs({"STACK_POOL_SIZE": "4"})
    done = under_load(
        own.url, "127.0.0.1", lambda: own.run("make", "-s", "reload", "TARGET=compose", check=False)
    )
    assert done.returncode == 0, done.stderr
    assert own.verifies()


def test_files_alone_are_kept_and_come_back(running: ComposeStack, tmp_path: Path) -> None:
    photo = f"{MEDIA}/photo"
    place = {"STACK_BACKUP": "local", "STACK_BACKUP_PATH": str(tmp_path / "backups")}
    own = running.with_inputs({**place, "XDG_CONFIG_HOME": str(tmp_path / "config")})
    own.execute("web", "sh", "-c", f"echo of the visitor > {photo}")
    kept = make(own, "backup")
    assert kept.returncode == 0, kept.stderr
    assert ": no rows, files as of " in kept.stdout
    assert "not kept  the database is in no backup of the stack" in kept.stdout
    refused = make(own, "restore")
    assert (refused.returncode, "OVERWRITE=yes" in refused.stderr) == (2, True)
    assert own.get("/readyz")[0] == 200
    own.execute("web", "sh", "-c", f"echo spoilt > {photo}")
    back = make(own, "restore", "OVERWRITE=yes")
    assert back.returncode == 0, back.stderr
    assert own.execute("web", "cat", photo).stdout == "of the visitor\n"
    assert own.get("/db")[0] == 200


def make(stack: ComposeStack, *words: str) -> subprocess.CompletedProcess[str]:
    return stack.run("make", "--silent", "TARGET=compose", *words, check=False)
