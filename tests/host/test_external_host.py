"""Two web hosts on a PostgreSQL that is on no host of the inventory."""

from __future__ import annotations

import json
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import projects
import pytest
from apart_hosts import systemd_hosts
from docker_engine import docker
from host_image import CHECKOUT
from systemd_host import INPUTS, SystemdHost, changed

from fixtures.external_server import PASSWORD, Server, server_at
from fixtures.releases import NEWEST_SUITE

pytestmark = [pytest.mark.host, pytest.mark.slow, pytest.mark.timeout(1200)]

FILE, AUTHORITY = "/root/site-password", "/etc/ssl/of-others.pem"
ROLES = "app app_owner app_monitor"
WORK = {"workers": "tick=python task_worker.py", "schedule": "who=monthly 2 00:00 python who.py"}
CONNECTIONS = 60
"""of the server: two hosts with workers, and those that take over from them, need more than 40"""
MEDIA = "/var/lib/stack-media"


@dataclass(frozen=True)
class External:
    """The hosts, and the server that they are to use."""

    first: SystemdHost
    second: SystemdHost
    server: Server
    project: Path

    def play(self, playbook: str, **inputs: Any) -> subprocess.CompletedProcess[str]:
        """A playbook, with these inputs too."""
        own = {**INPUTS, "database_url": self.server.place, "database_password_file": FILE}
        own |= {"database_authority": AUTHORITY, **projects.inputs(self.project), **WORK, **inputs}
        given = {name: value for name, value in own.items() if value is not None}
        hosts = {"web1": self.first, "web2": self.second}
        members = {
            name: {**host.variables(), "stack_inputs": given} for name, host in hosts.items()
        }
        (self.first.directory / "inventory.json").write_text(
            json.dumps({"stack": {"children": {"web": {"hosts": members}}}})
        )
        return self.first.play(playbook)

    def played(self, playbook: str, **inputs: Any) -> subprocess.CompletedProcess[str]:
        """The same, and it has to work."""
        done = self.play(playbook, **inputs)
        assert done.returncode == 0, done.stdout[-6000:]
        return done


@pytest.fixture(scope="module")
def booted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[External]:
    """All of them, on a network of their own, with nothing set up."""
    directory, network = (
        tmp_path_factory.mktemp("external"),
        f"pgstack-others-{uuid.uuid4().hex[:8]}",
    )
    docker("network", "create", network)
    try:
        with ExitStack() as open_:
            asked = "--format={{(index .IPAM.Config 0).Gateway}}"
            gateway = docker("network", "inspect", asked, network).stdout.strip()
            server = open_.enter_context(server_at(gateway, CONNECTIONS))
            places = {directory / name: (f"--network={network}",) for name in ("first", "second")}
            hosts = open_.enter_context(systemd_hosts(NEWEST_SUITE, places))
            for host in hosts:
                give(host, FILE, PASSWORD, "0600")
                give(host, AUTHORITY, (server.directory / "server.pem").read_text(), "0644")
            project = projects.make(directory / "project", "one")
            shutil.copy(CHECKOUT / "tests/fixtures/task_worker.py", project)
            yield External(hosts[0], hosts[1], server, project)
    finally:
        docker("network", "rm", network, check=False)


def give(host: SystemdHost, path: str, text: str, mode: str) -> None:
    """A file of root's."""
    made = host.directory / Path(path).name
    made.write_text(f"{text.strip()}\n")
    docker("cp", str(made), f"{host.container}:{path}")
    host.run("sh", "-c", f"chown root:root {path}; chmod {mode} {path}")


def test_what_cannot_be_used_is_one_message_and_nothing_there_is_changed(booted: External) -> None:
    """The login, the authority, the connections and the login's rights."""
    place = booted.server.place
    for inputs, said in (
        ({"database_url": place.replace("dba@", "nobody@")}, "Fix the login in the URL"),
        ({"database_authority": None}, "Name its authority: sslrootcert"),
        ({"database_password_file": "/root/none"}, "No such file or directory"),
        ({"pool_size": 90}, "Lower STACK_POOL_SIZE"),
        ({"database_host": "db.example"}, "name two databases"),
        ({"database_url": place.replace("dba@", "plain@")}, "CREATE ROLE app LOGIN;"),
    ):
        done = booted.play("site.yml", **inputs)
        assert done.returncode == 2, done.stdout[-3000:]
        assert said in done.stdout, done.stdout[-2500:]
        assert PASSWORD not in done.stdout
        assert booted.server.roles() == ""
        assert not booted.first.run("ls", "/etc/stack/pgbouncer/live", check=False).stdout


@pytest.fixture(scope="module")
def external(booted: External) -> External:
    booted.played("site.yml")
    return booted


def test_pages_come_from_there(external: External) -> None:
    """Both hosts have the same rows, and keep no PostgreSQL of their own."""
    assert sorted(external.server.roles().split()) == sorted(ROLES.split())
    for host in (external.first, external.second):
        assert "Django" in host.page()
        clusters = host.run("sh", "-c", "ls /usr/lib/postgresql/*/bin/postgres", check=False)
        assert clusters.stdout == ""
    assert int(external.server.run("SELECT count(*) FROM django_migrations")) > 0


def test_each_host_proves_what_it_can(external: External) -> None:
    for host in (external.first, external.second):
        told = host.run("stack-manage", "stack_verify").stdout
        assert "unproven of" in told
        assert "server shows its certificate" in told
        assert host.run("stackctl", "status").returncode == 0


def test_the_first_host_works_beside_pages_on_a_pool_of_its_own(external: External) -> None:
    """A worker and a run of the schedule, over a PgBouncer that has the password; they have none."""
    host = external.first
    noted = host.run("sh", "-c", f"cat {MEDIA}/worker-*").stdout
    assert "begins app_background 5min " in noted
    assert "\ndone 1\n" in noted
    host.run("systemctl", "start", "stack-schedule-who.service")
    told = host.run("journalctl", "--unit=stack-schedule-who.service", "--output=cat").stdout
    assert "app_background 5min worker " in told
    verified = host.run("stack-manage", "stack_verify").stdout
    for said in ("1 x tick run", "workers have their own pool", "commands are scheduled"):
        assert said in verified
    asked = "SELECT DISTINCT usename, ssl FROM pg_stat_activity JOIN pg_stat_ssl USING (pid)"
    assert external.server.run(f"{asked} WHERE usename = 'app'").strip() == "app|t"
    place = f"host={external.server.address} port={external.server.port} dbname=site"
    for role in ROLES.split():
        words = ("psql", "--no-password", f"{place} user={role}", "--command=SELECT 1")
        refused = host.run("runuser", "-u", "worker", "--", *words, check=False)
        assert "no password supplied" in refused.stderr, role
    units = ("systemctl", "list-units", "--all", "--plain", "--no-legend", "stack-worker-*")
    assert external.second.run(*units).stdout == ""


def test_a_second_run_changes_nothing(external: External) -> None:
    again = external.played("site.yml")
    assert changed(again) == 0, again.stdout[-4000:]


def test_passwords_are_read_by_nobody_but_who_uses_them(external: External) -> None:
    kept = "/etc/stack-database/passwords"
    for account in ("app", "apache", "worker", "build", "nobody"):
        for path in (f"{kept}/app", "/etc/stack-database/userlist.txt", FILE):
            words = ("runuser", "-u", account, "--", "cat", path)
            assert external.first.run(*words, check=False).returncode == 1, (account, path)
    assert external.second.run("ls", kept, check=False).stdout == ""
    done = external.first.run("grep", "-rl", PASSWORD, "/etc", "/srv", "/var", check=False)
    assert done.stdout == ""


def test_a_release_and_the_way_back_lose_no_request(external: External) -> None:
    urls = external.project / "config/urls.py"
    urls.write_text(urls.read_text().replace('"one"', '"two"'))
    for playbook, version in (("deploy.yml", "two"), ("rollback.yml", "one")):
        external.first.under_load(lambda: external.played(playbook))  # noqa: B023 - at once
        assert external.first.page(projects.MARK) == version


def test_another_pool_size_and_new_certificates_lose_no_request(external: External) -> None:
    external.first.under_load(lambda: external.played("site.yml", pool_size=4))
    external.first.under_load(lambda: external.played("rotate.yml", pool_size=4))


def test_its_keeper_ends_all_connections_and_no_request_is_lost(external: External) -> None:
    assert external.first.under_load(external.server.end_connections) > 0


def test_files_are_kept_and_come_back_and_rows_are_its_keepers(external: External) -> None:
    """Each host has its own; the database is as it was, and that is said."""
    photo, rows = "/var/lib/stack-media/public/photo", "SELECT count(*) FROM django_migrations"
    hosts = (external.first, external.second)
    for host in hosts:
        host.run("runuser", "-u", "app", "--", "sh", "-c", f"echo of {host.container} > {photo}")
    kept = external.played("backup.yml")
    assert "The database is in none of them" in kept.stdout
    before = external.server.run(rows)
    for host in hosts:
        host.run("sh", "-c", f"echo spoilt > {photo}")
    refused = external.first.play("restore.yml", backup_target="xid:7", confirm="yes")
    assert (refused.returncode, "files know no transactions" in refused.stdout) == (2, True)
    assert external.first.page()
    done = external.first.play("restore.yml", backup_target="latest", confirm="yes")
    assert done.returncode == 0, done.stdout[-6000:]
    assert "The database is as it was" in done.stdout
    for host in hosts:
        assert host.run("cat", photo).stdout == f"of {host.container}\n"
        assert host.page()
    assert external.server.run(rows) == before


def test_a_restart_of_what_is_its_keepers_is_refused(external: External) -> None:
    done = external.play("restart.yml")
    assert done.returncode == 2, done.stdout[-3000:]
    assert "administrator of that PostgreSQL restarts it" in " ".join(done.stdout.split())
    assert external.first.page()
