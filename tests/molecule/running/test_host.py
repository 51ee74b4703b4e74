"""A host that site.yml has set up: what runs, who may reach it, and that it is what was planned."""

from __future__ import annotations

from typing import Any

import entering
import pytest
from systemd_host import SystemdHost
from testinfra.backend.base import BaseBackend, CommandResult
from testinfra.host import Host

from fixtures.checklist import CATALOGUE, pooler_faults
from fixtures.exposure import MOST
from fixtures.releases import BY_SUITE

pytestmark = pytest.mark.host

TIMERS = (
    "stack-backup-full",
    "stack-backup-incr",
    "stack-drill",
    "stack-facts",
    "stack-verify",
)
ON_AT_BOOT = ("stack-firewall.service", "stack-upgraded.path", "stack-watch.timer")
SOCKETS = {
    "/run/stack/postgres/.s.PGSQL.5432": "postgres",
    "/run/stack/pooler/.s.PGSQL.6432": "pooler",
}
FILES = {
    "/etc/stack/plan.json": ("root", "root", 0o644),
    "/etc/stack/pgbouncer/pgbouncer.ini": ("root", "root", 0o644),
    "/etc/stack-secrets": ("root", "secrets", 0o750),
    "/etc/stack-secrets/django_secret_key": ("root", "secrets", 0o440),
    "/etc/stack-secrets/environment": ("root", "root", 0o400),
    "/etc/pgbackrest/conf.d/passphrase.conf": ("root", "postgres", 0o640),
    "/var/lib/pgbackrest": ("postgres", "postgres", 0o750),
    "/var/log/stack": ("root", "root", 0o750),
    "/srv/stack/releases": ("root", "root", 0o755),
    "/srv/stack/static": ("root", "root", 0o755),
    "/run/stack/postgres": ("postgres", "sockets", 0o2750),
}
RUN_BY_POSTGRES = {
    "grep ^CapBnd: /proc/self/status | cut -f2": "0000000000000000",
    "grep ^NoNewPrivs: /proc/self/status | cut -f2": "1",
    "tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '": "lo",
    "ps -e -o user= | sort -u": "postgres",
    "cd /etc/postgresql/*/main; touch planted 2>&1 | grep -o Read-only": "Read-only",
    "touch /srv/planted 2>&1 | grep -o Read-only": "Read-only",
    "ls /home 2>&1 | grep -o denied": "denied",
}
"""what an administrator of the database finds who has its server run a program"""
ACCOUNTS = dict.fromkeys(
    ("app", "worker", "apache", "deploy", "build", "pooler", "metrics"), "/usr/sbin/nologin"
)


class Entered(BaseBackend):  # type: ignore[misc]
    """A container, past its engine."""

    NAME = "entered"

    def run(self, command: str, *args: str, **_: Any) -> CommandResult:
        words = self.get_command(command, *args)
        done = entering.run(self.hostname, "sh", "-c", words)
        return self.result(done.returncode, self.encode(words), done.stdout, done.stderr)


@pytest.fixture(scope="module")
def host(site: SystemdHost) -> Host:
    """The host, past SSH."""
    return Host(Entered(site.container))


def serving(host: Host, server: str) -> str:
    """Unit of the one instance of a server that runs."""
    units = host.check_output(
        "systemctl list-units --plain --no-legend --state=running 'stack-%s@*'", server
    )
    (unit,) = [line.split()[0] for line in units.splitlines()]
    return unit


@pytest.mark.parametrize("server", ["apache", "pgbouncer"])
def test_one_instance_serves_and_starts_at_boot(host: Host, server: str) -> None:
    assert host.service(serving(host, server)).is_enabled


def test_postgresql_runs_and_starts_at_boot(host: Host, site: SystemdHost) -> None:
    service = host.service(f"postgresql@{BY_SUITE[site.suite].postgresql}-main")
    assert (service.is_running, service.is_enabled) == (True, True)


@pytest.mark.parametrize("name", TIMERS)
def test_backups_drills_and_verify_are_on_a_timer(host: Host, name: str) -> None:
    timer = host.service(f"{name}.timer")
    assert (timer.is_running, timer.is_enabled) == (True, True)


@pytest.mark.parametrize("unit", ON_AT_BOOT)
def test_what_looks_after_the_host_starts_at_boot(host: Host, unit: str) -> None:
    assert host.service(unit).is_enabled


@pytest.mark.parametrize("name", MOST)
def test_exposure_of_a_unit_is_small(host: Host, site: SystemdHost, name: str) -> None:
    instance = {
        "postgresql": f"@{BY_SUITE[site.suite].postgresql}-main",
        "stack-drill": "",
        "stack-files-drill": "",
        "stack-backup": "@full",
        "stack-metrics": "",
    }
    unit = name if "." in name else f"{name}{instance.get(name, '@a')}.service"
    done = host.run("systemd-analyze security --no-pager --threshold=%s %s", str(MOST[name]), unit)
    assert done.rc == 0, done.stdout.splitlines()[-1:]


@pytest.mark.parametrize("command", RUN_BY_POSTGRES)
def test_a_program_that_postgresql_runs_reaches_nothing_else(host: Host, command: str) -> None:
    quoted = command.replace("'", "''")
    asked = f"CREATE TEMP TABLE said (line text); COPY said FROM PROGRAM '{quoted}'; TABLE said"
    assert (
        host.check_output("runuser -u postgres -- psql -XqAt -h /run/stack/postgres -c %s", asked)
        == (RUN_BY_POSTGRES[command])
    )


def test_no_unit_has_failed(host: Host) -> None:
    assert host.check_output("systemctl list-units --failed --plain --no-legend") == ""


@pytest.mark.parametrize("path", FILES)
def test_a_file_belongs_to_whom_it_should(host: Host, path: str) -> None:
    file = host.file(path)
    assert (file.user, file.group, file.mode & 0o7777) == FILES[path]


def test_the_projects_secrets_are_for_django_alone(host: Host) -> None:
    """As systemd gives them to Apache's unit; the demo has none, so what it gives is empty."""
    given = f"/run/credentials/{serving(host, 'apache')}/environment"
    assert host.file(given).is_file
    others = (*ACCOUNTS, "postgres", "nobody")
    assert [
        name for name in others if host.run("runuser -u %s -- cat %s", name, given).rc == 0
    ] == ["app"]


@pytest.mark.parametrize("account", ACCOUNTS)
def test_nobody_logs_in_as_an_account_of_the_stack(host: Host, account: str) -> None:
    assert host.user(account).shell == ACCOUNTS[account]


def test_only_apache_and_ssh_listen_for_others(host: Host) -> None:
    ports = {
        line.split()[3].rsplit(":", 1)[1]
        for line in host.check_output("ss -Htln").splitlines()
        if not line.split()[3].startswith("127.0.0.1:")
    }
    assert ports == {"22", "80"}


@pytest.mark.parametrize("path", SOCKETS)
def test_postgresql_and_pgbouncer_listen_on_sockets_behind_their_directory(
    host: Host, path: str
) -> None:
    assert host.file(path).is_socket
    assert host.file(path).user == SOCKETS[path]
    assert host.run("runuser -u nobody -- test -e %s", path).rc != 0


@pytest.mark.parametrize("name", CATALOGUE)
def test_catalogue_holds_nothing_that_the_checklist_forbids(host: Host, name: str) -> None:
    command = "runuser -u postgres -- psql -XqAt -h /run/stack/postgres -d app -c %s"
    assert host.check_output(command, CATALOGUE[name].query) == ""


def test_poolers_files_let_in_nobody_else(host: Host) -> None:
    files = [
        host.file(f"/etc/stack/pgbouncer/{name}")
        for name in ("pgbouncer.ini", "userlist.txt", "hba.conf")
    ]
    assert pooler_faults(*(file.content_string for file in files)) == []
    assert host.file("/run/stack/pooler/.s.PGSQL.6432").mode & 0o7777 == 0o770


def test_python_runs_in_its_own_processes_as_neither_root_nor_www_data(host: Host) -> None:
    assert host.file("/etc/stack/apache/site.conf").contains("^WSGIRestrictEmbedded On")
    accounts = {
        process.user for process in host.process.filter() if process.args.startswith("(wsgi:")
    }
    assert accounts
    assert not accounts & {"root", "www-data"}


def test_the_stack_is_what_was_planned(host: Host) -> None:
    verified = host.run("stack-manage stack_verify")
    assert verified.rc == 0, verified.stdout


def test_a_page_with_a_query_arrives(site: SystemdHost) -> None:
    assert "<h1" in site.page()
    assert site.page("/db")
