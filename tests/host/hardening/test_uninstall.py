"""How the stack is taken off a host."""

from __future__ import annotations

import re

import pytest
from systemd_host import SystemdHost, changed

from fixtures.releases import DATA, NEWEST_POSTGRESQL, SETTINGS_OF_CLUSTER
from hardening.asked import require_gone, run, said

pytestmark = [pytest.mark.host, pytest.mark.timeout(900)]


KEPT = (
    SETTINGS_OF_CLUSTER,
    DATA,
    "/etc/stack-secrets",
    "/etc/stack-tls",
    "/var/log/stack",
)


QUERY = ("runuser", "-u", "postgres", "--", "psql", "-h", "/run/stack/postgres", "-Atc")
CONTROL = (f"/usr/lib/postgresql/{NEWEST_POSTGRESQL}/bin/pg_controldata", DATA)


def key(host: SystemdHost) -> str:
    """What stands for Django's secret key."""
    return said(host, "sha256sum", "/etc/stack-secrets/django_secret_key")


@pytest.fixture(scope="module")
def kept(host: SystemdHost) -> tuple[str, str]:
    """A host from which the stack was taken; its key before, and what Ansible said."""
    host.run(*QUERY, "CREATE TABLE kept AS SELECT 42 AS answer")
    before = key(host)
    fail_in_the_middle(host, "stack-verify.service")
    return before, run(host, "uninstall.yml", "-e", "confirm=yes").stdout


def test_an_uninstalled_host_keeps_its_data(host: SystemdHost, kept: tuple[str, str]) -> None:
    before, told = kept
    for place in KEPT:
        assert place in told.split("Say what was kept")[1]
    require_gone(host)
    assert key(host) == before
    assert said(host, "stat", "--format=%U %a", "/etc/stack-secrets") == "root 700"
    state = re.search("^Database cluster state: +(.*)$", said(host, *CONTROL), re.MULTILINE)
    assert state is not None
    assert state[1] == "shut down", "it can be taken up again"
    assert changed(run(host, "uninstall.yml", "-e", "confirm=yes")) == 0


@pytest.mark.slow
def test_site_yml_takes_it_up_again(host: SystemdHost, kept: tuple[str, str]) -> None:
    run(host, "site.yml")
    assert "<h1" in host.page()
    assert said(host, *QUERY, "SELECT answer FROM kept") == "42"
    assert key(host) == kept[0]
    assert host.failed() == ""


def fail_in_the_middle(host: SystemdHost, unit: str) -> None:
    """Kill a unit at its work; one that is stopped there fails as well."""
    words = (
        f"systemctl start --no-block {unit}; "
        f"until [ $(systemctl show -P MainPID {unit}) -gt 0 ]; do sleep 0.1; done; "
        f"systemctl kill --signal=KILL {unit}; "
        f"until systemctl is-failed --quiet {unit}; do sleep 0.1; done"
    )
    host.run("timeout", "60", "sh", "-c", words)


def test_uninstall_asks_first(host: SystemdHost) -> None:
    since = host.now()
    done = host.play("uninstall.yml")
    assert done.returncode == 2
    assert "Nothing was removed" in done.stdout
    assert host.changed_since(since) == []


@pytest.mark.slow
def test_data_is_deleted_when_that_is_said(host: SystemdHost) -> None:
    aside = f"{DATA}.before-20261201T000000Z"  # as a restore leaves it
    host.run("install", "--directory", "--owner=postgres", aside)
    gone = run(host, "uninstall.yml", "-e", "confirm=yes", "-e", "data=delete")
    assert "Data was not kept" in gone.stdout
    require_gone(host)
    assert host.run("ls", "-d", aside, *KEPT, check=False).stdout == ""
    assert changed(run(host, "uninstall.yml", "-e", "confirm=yes", "-e", "data=delete")) == 0
