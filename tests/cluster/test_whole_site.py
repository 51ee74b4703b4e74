"""Two balancers in front of two web hosts, and a cluster behind them: all seven set up by one run,
then switched over, rebooted, released and hit."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import projects
import pytest
from balanced_hosts import NAME, WEBS, Clustered, balanced_hosts
from cluster_faults import FAULTS
from cluster_hosts import rebooting
from docker_engine import docker
from visiting import (
    GAP_SECONDS,
    booted,
    drained_meanwhile,
    require_in_flight,
    require_nothing_lost,
    seen_at,
    visited,
    wait_until_ready,
)

from fixtures import certificates

pytestmark = [pytest.mark.host, pytest.mark.slow, pytest.mark.timeout(2400)]

HOLD_SECONDS = 5
OWN = ("/root/own.pem", "/root/own.key")
TLS = {"port": 443, "tls": "files", "tls_certificate": OWN[0], "tls_key": OWN[1]}
LEADERLESS_SECONDS = 15
KILLED = next(fault for fault in FAULTS if fault.name == "postgres-killed")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clustered]:
    """All of them, which one run has set up and verified."""
    with balanced_hosts(tmp_path_factory.mktemp("whole"), Clustered) as hosts:
        hosts.hosts[WEBS[0]].played("site.yml")
        require_whole(hosts)
        yield hosts


def require_whole(site: Clustered) -> None:
    """It is as planned, within a minute or two."""
    site.cluster.wait()
    wait_until_ready(site)
    for host in site.hosts.values():
        host.run("stackctl", "healthy", "--within", "120")
        assert host.failed() == ""


def test_a_second_run_changes_nothing(site: Clustered) -> None:
    assert site.play("site.yml")[1].splitlines()[-1] == "changed: 0"


def test_a_switchover_loses_nothing(site: Clustered) -> None:
    seen = visited(site, site.cluster.switchover)
    require_nothing_lost(seen)
    assert seen[0].silence < HOLD_SECONDS, seen
    require_whole(site)


def test_all_hosts_are_rebooted_without_a_lost_request(site: Clustered) -> None:
    before, led, holder = booted(site), site.cluster.leader(), site.holder()

    def roll() -> None:
        began = time.monotonic()
        with rebooting(*site.hosts.values()):
            site.hosts[WEBS[0]].played("rolling.yml")
        print(f"rolling.yml took {time.monotonic() - began:.0f} s")

    with drained_meanwhile(site) as drained:
        seen = visited(site, roll)
    require_nothing_lost(seen)
    assert seen[0].silence < HOLD_SECONDS, seen
    after = booted(site)
    assert [name for name in after if after[name] == before[name]] == []
    assert drained == {*WEBS}
    assert (site.cluster.leader() != led, site.holder() != holder) == (True, True)
    require_whole(site)


def test_a_release_loses_nothing(site: Clustered, tmp_path: Path) -> None:
    project = projects.make(tmp_path / "one", "one")

    def release() -> None:
        status, said = site.play("deploy.yml", project)
        assert status == 0, said[-6000:]

    require_nothing_lost(visited(site, release))
    assert {site.page(projects.MARK) for _ in range(6)} == {"one"}
    require_whole(site)


def test_a_killed_postgresql_costs_what_is_in_flight(site: Clustered) -> None:
    def kill() -> None:
        with KILLED.happens(site.cluster):
            pass

    figures, came = visited(site, kill)
    assert figures.lost == 0, figures
    assert max(figures.silence, came.gap) < HOLD_SECONDS, (figures, came)
    require_whole(site)


def test_a_lost_host_of_the_leader_costs_seconds(site: Clustered) -> None:
    leader = site.cluster.leader()
    figures, came = visited(site, lambda: site.lose(leader), LEADERLESS_SECONDS + 3)
    assert figures.lost == 0, figures
    assert max(figures.silence, came.gap) < LEADERLESS_SECONDS, (figures, came)
    assert site.cluster.leader() != leader
    site.bring_back(leader)
    require_whole(site)


@pytest.mark.parametrize("which", ["web host", "balancer"])
def test_a_lost_host_of_the_web_costs_what_is_in_flight(site: Clustered, which: str) -> None:
    name = site.holder() if which == "balancer" else WEBS[1]
    seen = visited(site, lambda: site.lose(name))
    require_in_flight(seen)
    if which == "web host":
        assert seen[0].silence < GAP_SECONDS, seen
    site.bring_back(name)
    require_whole(site)


def test_visitors_come_by_https_to_the_web_hosts_certificate(
    site: Clustered, tmp_path: Path
) -> None:
    certificate = certificates.self_signed(tmp_path, f"DNS:{NAME}")
    for name in WEBS:
        for source, place in zip((certificate, tmp_path / "key.pem"), OWN, strict=True):
            docker("cp", str(source), f"{site.hosts[name].container}:{place}")
            site.hosts[name].run("chmod", "600", place)
    status, said = site.play("site.yml", **TLS)
    assert status == 0, said[-6000:]
    require_whole(site)
    trust, before = ssl.create_default_context(cafile=str(certificate)), seen_at(site)
    assert {by_https(site.address, trust) for _ in range(8)} == {200}
    after = seen_at(site)
    assert sum(after.values()) - sum(before.values()) == 8
    assert all(after[name] > before[name] for name in WEBS), after


def by_https(address: str, trust: ssl.SSLContext) -> int:
    """Status of the site's page by a connection whose certificate is looked at."""
    request = f"GET / HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n\r\n"
    with (
        socket.create_connection((address, 443), 5) as plain,
        trust.wrap_socket(plain, server_hostname=NAME) as client,
    ):
        client.sendall(request.encode())
        answer = http.client.HTTPResponse(client)
        answer.begin()
        return answer.status
