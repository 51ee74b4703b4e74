"""Two balancers in front of two web hosts: set up by one run, then released, rebooted and hit."""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import projects
import pytest
from balanced_hosts import BALANCERS, NAME, WEBS, Balanced, balanced_hosts
from cluster_hosts import rebooting
from network import both, lost
from visiting import (
    GAP_SECONDS,
    booted,
    drained_meanwhile,
    require_in_flight,
    require_nothing_lost,
    seen_at,
    states,
    visited,
    wait_until_ready,
)

pytestmark = [pytest.mark.host, pytest.mark.slow, pytest.mark.timeout(1800)]

CUTS = 4
CUT_SECONDS = 12
OWED_SECONDS = 6
"""until a host that owes an answer counts as lost"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Balanced]:
    """All five, set up by one run."""
    with balanced_hosts(tmp_path_factory.mktemp("balanced")) as booted:
        status, said = booted.play("site.yml")
        assert status == 0, said[-6000:]
        yield booted


def status_of(host: str, path: str = "/") -> int:
    """Of a page that is asked for at this address."""
    connection = http.client.HTTPConnection(host, 80, timeout=3)
    try:
        connection.request("GET", path, headers={"Host": NAME})
        return connection.getresponse().status
    finally:
        connection.close()


def test_web_hosts_serve_at_one_address_and_know_who_the_visitor_is(site: Balanced) -> None:
    before = seen_at(site)
    for _ in range(8):
        assert "Django" in site.page()
    after = seen_at(site)
    assert sum(after.values()) - sum(before.values()) == 8
    assert all(after[name] > before[name] for name in WEBS), after
    assert [states(site, name) for name in BALANCERS] == [dict.fromkeys(WEBS, "ready")] * 2


def test_nobody_but_a_balancer_says_who_the_visitor_is(site: Balanced) -> None:
    """The firewall drops it; without one Apache refuses what is no balancer's."""
    web = site.hosts["web1"]
    with pytest.raises(OSError):
        status_of(web.address())
    web.run("systemctl", "stop", "stack-firewall")
    try:
        with pytest.raises((OSError, http.client.HTTPException)):
            status_of(web.address())
        said = forged(site, web.address())
    finally:
        web.run("systemctl", "start", "stack-firewall")
    assert said.startswith("HTTP/1.1 403"), said


def forged(site: Balanced, host: str) -> str:
    """The first line of the answer to somebody who says that he hands on a visitor."""
    header = f"PROXY TCP4 203.0.113.9 {host} 4711 80\r\n"
    with socket.create_connection((host, 80), 3) as client:
        client.sendall(f"{header}GET / HTTP/1.1\r\nHost: {NAME}\r\n\r\n".encode())
        return client.recv(1000).decode()


def test_a_second_run_changes_nothing(site: Balanced) -> None:
    status, said = site.play("site.yml")
    assert (status, said.splitlines()[-1]) == (0, "changed: 0"), said[-4000:]


def test_a_release_on_one_web_host_after_the_other_loses_no_request(
    site: Balanced, tmp_path: Path
) -> None:
    project = projects.make(tmp_path / "one", "one")

    def release() -> None:
        status, said = site.play("deploy.yml", project)
        assert status == 0, said[-6000:]

    with drained_meanwhile(site) as drained:
        seen = visited(site, release)
    require_nothing_lost(seen)
    assert drained == {*WEBS}
    assert {site.page(projects.MARK) for _ in range(6)} == {"one"}
    wait_until_ready(site)


def test_a_release_that_fails_on_the_first_stops_there(site: Balanced, tmp_path: Path) -> None:
    broken = projects.make(tmp_path / "two", "two")
    projects.raise_at_import(broken)
    before, said = [site.hosts[name].releases() for name in WEBS], []
    with drained_meanwhile(site) as drained:
        seen = visited(site, lambda: said.append(site.play("deploy.yml", broken)))
    ((status, text),) = said
    assert status == 2
    assert "no such luck" in text
    require_nothing_lost(seen)
    assert drained == {"web1"}
    assert [site.hosts[name].releases() for name in WEBS] == before
    assert {site.page(projects.MARK) for _ in range(6)} == {"one"}
    wait_until_ready(site)
    for name in BALANCERS:  # both serve the same, which no run has told them
        site.hosts[name].run("stackctl", "undrain", "web1", "--same")


def test_all_but_the_database_host_are_rebooted_without_a_lost_request(site: Balanced) -> None:
    before, holder = booted(site), site.holder()

    def roll() -> None:
        began = time.monotonic()
        with rebooting(*site.hosts.values()):
            status, said = site.play("rolling.yml")
        print(f"rolling.yml took {time.monotonic() - began:.0f} s")
        assert status == 0, said[-6000:]

    with drained_meanwhile(site) as drained:
        seen = visited(site, roll)
    require_nothing_lost(seen)
    assert drained == {*WEBS}
    after = booted(site)
    assert {name for name in after if after[name] != before[name]} == {*WEBS, *BALANCERS}
    assert site.holder() != holder
    wait_until_ready(site)


def test_the_only_web_host_that_is_ready_is_not_rebooted(site: Balanced) -> None:
    before, away = booted(site), site.hosts["web2"]
    away.run("systemctl", "stop", "stack-apache@*.service")
    site.noticed("web2")
    try:
        done = site.hosts["web1"].play("rolling.yml", "--limit=web1")
    finally:
        away.run("stackctl", "apply", "apache")
    said = " ".join(done.stdout.split())
    assert done.returncode == 2, said[-4000:]
    assert "web1 was not restarted" in said
    assert "no other web host is ready" in said
    assert booted(site) == before
    wait_until_ready(site)


def test_a_lost_web_host_costs_what_is_in_flight(site: Balanced) -> None:
    def lose() -> None:
        site.lose("web1")
        print(f"noticed after {site.noticed('web1'):.1f} s")

    seen = visited(site, lose)
    require_in_flight(seen)
    assert seen[0].silence < GAP_SECONDS, seen
    assert states(site, site.holder())["web1"] == "not ready"
    site.bring_back("web1")
    wait_until_ready(site)


@pytest.mark.parametrize("turn", range(CUTS))
def test_a_web_host_that_is_cut_off_costs_what_is_in_flight(site: Balanced, turn: int) -> None:
    """Nobody is told, and what it sends is lost as well."""

    def cut() -> None:
        balancers = [site.hosts[name] for name in BALANCERS]
        with lost(both([site.hosts[WEBS[turn % 2]]], balancers)):
            time.sleep(CUT_SECONDS)

    seen = visited(site, cut)
    require_in_flight(seen)
    assert seen[0].silence < GAP_SECONDS, seen
    wait_until_ready(site)


def test_a_web_host_that_owes_an_answer_is_noticed_when_it_is_lost(site: Balanced) -> None:
    """A look may be answered late, as while requests are held back."""
    web = site.hosts["web1"]
    web.run("stackctl", "pause")
    time.sleep(1.5)
    with lost(both([web], [site.hosts[name] for name in BALANCERS])):
        seconds = site.noticed("web1")
    print(f"noticed after {seconds:.1f} s")
    assert seconds < OWED_SECONDS
    web.run("stackctl", "resume")
    wait_until_ready(site)


def test_a_lost_balancer_costs_what_is_in_flight(site: Balanced) -> None:
    holder = site.holder()
    require_in_flight(visited(site, lambda: site.lose(holder)))
    site.bring_back(holder)
    wait_until_ready(site)
    assert site.holder() != holder, "who has the address keeps it"


def test_an_haproxy_that_ends_takes_the_address_along(site: Balanced) -> None:
    before = site.holder()
    kill = "kill -9 $(systemctl show --property=MainPID --value stack-haproxy)"
    figures, came = visited(site, lambda: site.hosts[before].run("sh", "-c", kill))
    assert figures.lost == 0, figures
    assert came.gap < GAP_SECONDS, came
    assert site.holder() != before
    wait_until_ready(site)
