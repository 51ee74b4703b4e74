"""The pods of the manifests for Kubernetes, on a Docker engine, at a PostgreSQL with CloudNativePG's
login rules and this plan's settings. No Kubernetes runs here, and no CloudNativePG."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_stack import ComposeStack, copy_checkout, require_engine
from docker_pods import Pod

from fixtures import certificates
from pgstack.planning import sizing
from pgstack.planning.config import StackConfig
from pgstack.planning.hardware import Hardware
from pgstack.planning.packages import NEWEST
from pgstack.ports import free_port
from pgstack.rendering import kubernetes

pytestmark = [pytest.mark.compose, pytest.mark.slow]

NAME = "stack-database-rw"
SECRETS = {
    "login": ["password"],
    "given": ["app", "app_owner", "app_monitor", "django_secret_key"],
}
START = """\
set -eu
program=$(echo /usr/lib/postgresql/*/bin)
$program/initdb --pgdata=/tmp/data --username=postgres --auth=trust --no-sync --encoding=UTF8 > /dev/null
install -m 600 /given/key /tmp/key
exec $program/postgres -D /tmp/data -k /tmp --config-file=/given/conf -c data_directory=/tmp/data -c hba_file=/given/hba \\
    -c listen_addresses='*' -c ssl=on -c ssl_min_protocol_version=TLSv1.3 -c ssl_cert_file=/given/pem -c ssl_key_file=/tmp/key
"""
PRELOADED = "shared_preload_libraries = 'auto_explain,pg_stat_statements'\n"
START_SECONDS = 60


def manifests() -> list[dict[str, Any]]:
    config = StackConfig(
        target="compose", address="*", web_hosts=2, hosts="shop.example", proxy="on"
    )
    plan = sizing.plan(config, Hardware(2, 4 * 1024**3, NEWEST, 65536))
    return list(yaml.safe_load_all(kubernetes.text(plan)))


@dataclass(frozen=True)
class Running:
    """A database, two pods at it, and what their first containers said."""

    stack: ComposeStack
    pods: list[Pod]
    said: list[list[str]]

    def sql(self, statement: str, database: str = "app") -> str:
        return sql(self.stack, statement, database)


def sql(stack: ComposeStack, statement: str, database: str) -> str:
    psql = ("psql", "-XqAt", "-h/tmp", "-Upostgres", f"-d{database}", f"-c{statement}")
    return stack.run("docker", "exec", f"{stack.project}-server", *psql).stdout.strip()


def given_files(directory: Path, cluster: dict[str, Any]) -> None:
    """Secrets, and what the server is started with."""
    for secret, names in SECRETS.items():
        (directory / secret).mkdir()
        for name in names:
            (directory / secret / name).write_text(secrets.token_urlsafe(32))
    server, authority = directory / "server", directory / "authority"
    server.mkdir()
    authority.mkdir()
    made = certificates.openssl(f"DNS:{NAME}", server / "key", server / "pem")
    subprocess.run(made, check=True, capture_output=True)
    shutil.copy(server / "pem", authority / "ca.crt")
    settings = cluster["postgresql"]["parameters"].items()
    lines = "".join(f"{name} = '{value}'\n" for name, value in settings)
    (server / "conf").write_text(lines + PRELOADED)
    rules = ["local all all trust", *cluster["postgresql"]["pg_hba"]]
    (server / "hba").write_text("\n".join([*rules, "host all all all scram-sha-256\n"]))
    (server / "start.sh").write_text(START)
    for path in (directory, *directory.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o444)


def start_server(stack: ComposeStack, directory: Path, cluster: dict[str, Any]) -> None:
    """In the project's network, where its name leads to it, with what the operator would make."""
    place = (f"--network={stack.project}_default", f"--network-alias={NAME}")
    what = (f"--volume={directory}/server:/given:ro", "--entrypoint=sh")
    name = f"{stack.project}-server"
    words = ("docker", "run", "--detach", f"--name={name}", *place, *what)
    stack.run(*words, f"{stack.project}-postgres", "/given/start.sh")
    ready = ("docker", "exec", name, "pg_isready", "-h/tmp", "-q")
    deadline = time.monotonic() + START_SECONDS
    while stack.run(*ready, check=False).returncode:
        assert time.monotonic() < deadline, stack.run("docker", "logs", name).stderr
        time.sleep(0.2)
    initdb = cluster["bootstrap"]["initdb"]
    word = (directory / "login/password").read_text()
    sql(stack, f"CREATE ROLE {initdb['owner']} LOGIN PASSWORD '{word}'", "postgres")
    sql(stack, f"CREATE DATABASE {initdb['database']} OWNER {initdb['owner']}", "postgres")
    for statement in initdb["postInitApplicationSQL"]:
        sql(stack, statement, initdb["database"])


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    require_engine()
    directory = Path(tempfile.mkdtemp(prefix="pods-", dir="/tmp"))
    checkout, given = directory / "checkout", directory / "given"
    copy_checkout(checkout)
    given.mkdir()
    project = f"pgstack-pods-{os.getpid()}"
    stack = ComposeStack(project=project, port=free_port(), checkout=checkout)
    cluster, deployment, *_ = manifests()
    template = deployment["spec"]["template"]["spec"]
    pods = [Pod(stack, f"{project}-{name}", free_port(), template, given) for name in "ab"]
    try:
        stack.compose("build", "configure", "postgres", "pgbouncer")
        stack.compose("build", "web")
        stack.compose("up", "--no-start", "--no-deps", "port")
        given_files(given, cluster["spec"])
        start_server(stack, given, cluster["spec"])
        yield Running(stack, pods, [pod.start() for pod in pods])
    finally:
        for pod in pods:
            pod.remove()
        stack.run("docker", "rm", "--force", f"{project}-server", check=False)
        stack.remove()
        left = stack.orphans()
        shutil.rmtree(directory)
    assert left == []


def test_the_first_pod_makes_the_roles_and_the_schema(running: Running) -> None:
    (configured, migrated, _), (again, nothing, _) = running.said
    assert "roles made" in configured
    assert "demo.0001_initial... OK" in migrated
    assert "roles in place" in again
    assert "No migrations to apply." in nothing


def test_both_pods_answer(running: Running) -> None:
    for pod in running.pods:
        paths = ("/", "/db", "/updates?n=3", "/healthz", "/readyz")
        assert {path: pod.ask(path) for path in paths} == dict.fromkeys(paths, 200)


def test_backends_are_few_and_encrypted(running: Running) -> None:
    told = running.sql(
        "SELECT count(*) <= 14, bool_and(ssl), min(version) FROM pg_stat_activity "
        "JOIN pg_stat_ssl USING (pid) WHERE usename = 'app'"
    )
    assert told == "t|t|TLSv1.3"


def test_nobody_comes_in_without_tls(running: Running) -> None:
    host = f"host={NAME} dbname=app user=app sslmode=disable"
    told = running.pods[0].execute("pgbouncer", "psql", "-XqAtw", host, "-c", "SELECT 1")
    assert told.returncode == 2
    assert "pg_hba.conf rejects connection" in told.stderr


def test_django_sees_no_password_and_writes_nothing_of_its_image(running: Running) -> None:
    pod = running.pods[0]
    assert pod.execute("web", "ls", "/etc/stack-database").stdout == ""
    assert pod.execute("web", "ls", "/run/given").returncode == 2
    assert "Read-only file system" in pod.execute("web", "touch", "/srv/stack/app/x").stderr


def test_a_web_that_was_ended_as_dead_comes_back_and_keeps_connections(running: Running) -> None:
    """The mark with which it was to end stays in the pod's memory."""
    pod = running.pods[1]
    assert pod.execute("web", "touch", "/run/stack/apache/drain").returncode == 0
    pod.docker("restart", "--time=0", f"{pod.name}-web")
    pod.wait()
    assert pod.execute("web", "test", "-e", "/run/stack/apache/drain").returncode == 1


def test_a_pooler_that_was_killed_comes_back(running: Running) -> None:
    pod = running.pods[1]
    pod.docker("kill", f"{pod.name}-pgbouncer")
    pod.docker("start", f"{pod.name}-pgbouncer")
    pod.wait()


class Clients:
    """Some with kept connections, which ask until they are told to stop."""

    def __init__(self, port: int, count: int = 4) -> None:
        self.port, self.answers, self.over = port, Counter[str](), threading.Event()
        self.threads = [threading.Thread(target=self._ask) for _ in range(count)]
        for thread in self.threads:
            thread.start()

    def stop(self) -> Counter[str]:
        self.over.set()
        for thread in self.threads:
            thread.join()
        return self.answers

    def _ask(self) -> None:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=15)
        while not self.over.wait(0.05):
            try:
                connection.request("GET", "/db", headers={"Host": "shop.example"})
                answer = connection.getresponse()
                answer.read()
                self.answers[str(answer.status)] += 1
            except (OSError, HTTPException) as error:
                self.answers[repr(error)] += 1


def test_a_pod_ends_without_losing_a_request(running: Running) -> None:
    """Nobody is sent to it any more by the end of preStop."""
    pod, other = running.pods
    clients = Clients(pod.port)
    ending = threading.Timer(8, clients.stop)
    ending.start()
    statuses = pod.end()
    ending.join()
    answers = clients.answers
    assert (list(answers), answers["200"] > 50) == (["200"], True)
    assert statuses == (0, 0)
    assert other.ask("/db") == 200
