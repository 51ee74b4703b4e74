"""Servers of a host that are killed, stopped, held back or given up come back."""

from __future__ import annotations

import faults
import pytest
from systemd_host import SystemdHost

from fixtures.releases import CLUSTER
from hardening.asked import said, wait

pytestmark = [pytest.mark.host, pytest.mark.timeout(900)]


STATUS_SECONDS = 15
"""servers are asked at once: with PostgreSQL stopped 8 s; one after the other it took 20 s"""


@pytest.mark.parametrize("server", faults.UNITS)
def test_a_server_that_is_killed_comes_back(host: SystemdHost, server: str) -> None:
    before = faults.main(host, server)
    host.run("kill", "-KILL", before)
    assert wait(
        lambda: faults.main(host, server) not in ("0", before) and faults.status(host)[0] == 0, 20
    )
    assert "<h1" in host.page()
    assert host.failed() == ""


def test_a_tablespace_lies_where_a_drop_in_says(host: SystemdHost) -> None:
    """As docs/host.md has it; the unit that is killed comes back with what it has been given."""
    query = ("runuser", "-u", "postgres", "--", "psql", "-h", "/run/stack/postgres", "-Atc")
    made = "CREATE TABLESPACE elsewhere LOCATION '/srv/elsewhere'"
    drop_in = f"/etc/systemd/system/{CLUSTER}.service.d/elsewhere.conf"
    host.run("install", "--directory", "--owner=postgres", "--group=postgres", "/srv/elsewhere")
    assert "Read-only file system" in host.run(*query, made, check=False).stderr
    host.run(
        "sh",
        "-c",
        f"printf '[Service]\nReadWritePaths=/srv/elsewhere\n' > {drop_in}; systemctl daemon-reload",
    )
    before = faults.main(host, "postgres")
    host.run("kill", "-KILL", before)
    assert wait(
        lambda: faults.main(host, "postgres") not in ("0", before) and faults.status(host)[0] == 0,
        20,
    )
    host.run(*query, made)
    host.run(*query, "DROP TABLESPACE elsewhere")
    host.run("sh", "-c", f"rm -r {drop_in} /srv/elsewhere; systemctl daemon-reload")


@pytest.mark.parametrize(
    "server",
    [
        "pgbouncer",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("postgres", "apache")),
    ],
)
def test_a_server_that_is_stopped_is_told_and_brought_back(host: SystemdHost, server: str) -> None:
    with faults.unwatched(host):
        faults.halt(host, server)
        code, text, seconds = faults.status(host)
        assert (code, "stopped by a signal" in faults.line(text, server)) == (1, True), text
        assert seconds < STATUS_SECONDS, text
        host.run("systemctl", "start", "stack-watch.service")
        assert wait(lambda: faults.status(host)[0] == 0, 10)
    assert "runs again" in said(
        host, "journalctl", "-u", "stack-watch.service", "-p", "warning", "-o", "cat"
    )


@pytest.mark.parametrize("command", ["PAUSE", pytest.param("PAUSE app", marks=pytest.mark.slow)])
def test_requests_that_are_held_back_and_left_go_on(host: SystemdHost, command: str) -> None:
    with faults.unwatched(host):
        faults.pause(host, command)
        code, text, _ = faults.status(host)
        assert (code, "does not answer" in faults.line(text, "pgbouncer")) == (1, True), text
        host.run("systemctl", "start", "stack-watch.service")
        assert wait(lambda: faults.status(host)[0] == 0, 10), faults.status(host)
    assert host.page("/db")


@pytest.mark.slow
def test_a_server_that_systemd_has_given_up_is_tried_again(host: SystemdHost) -> None:
    with faults.unwatched(host), faults.unusable(host):
        host.run("kill", "-KILL", faults.main(host, "pgbouncer"))
        assert wait(lambda: "stack-pgbouncer@" in host.failed(), 60)
        code, text, _ = faults.status(host)
        assert (code, "does not run" in faults.line(text, "pgbouncer")) == (1, True), text
    assert wait(lambda: faults.status(host)[0] == 0, 60), "its timer runs again"
    assert host.failed() == ""
