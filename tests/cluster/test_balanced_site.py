"""Two balancers in front of two web hosts: set up by one run, then released, and hit."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from pathlib import Path

import projects
import pytest
from balanced_hosts import BALANCERS, NAME, WEBS, Balanced, balanced_hosts

pytestmark = [pytest.mark.host, pytest.mark.slow, pytest.mark.timeout(1800)]

GAP_SECONDS = 3
AFTER_SECONDS = 6
"""of load once a fault is over"""
LOG = "/var/log/stack/apache-access.log"
BACK_SECONDS = 60


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Balanced]:
    """All five, set up by one run."""
    with balanced_hosts(tmp_path_factory.mktemp("balanced")) as booted:
        status, said = booted.play("site.yml")
        assert status == 0, said[-6000:]
        yield booted


def states(site: Balanced, balancer: str) -> dict[str, str]:
    """What this balancer says of each web host, by the first word."""
    shown = json.loads(site.hosts[balancer].run("stackctl", "status", "--json", check=False).stdout)
    lines = {line["name"]: line["told"] or line["trouble"] for line in shown["servers"]}
    return {name: lines[name].partition(",")[0].partition(" (")[0] for name in WEBS}


def wait_until_ready(site: Balanced) -> None:
    """Until each balancer that lives has both web hosts."""
    deadline = time.monotonic() + BACK_SECONDS
    while any(set(states(site, name).values()) != {"ready"} for name in BALANCERS):
        assert time.monotonic() < deadline, [states(site, name) for name in BALANCERS]
        time.sleep(1)


def seen_at(site: Balanced) -> dict[str, int]:
    """How many visitors' requests each web host has logged."""
    return {
        name: int(site.hosts[name].run("grep", "-c", site.gateway, LOG, check=False).stdout)
        for name in WEBS
    }


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
    import socket

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

    figures = site.drill(release, AFTER_SECONDS)
    assert (figures.failed, figures.lost) == (0, 0), figures
    assert {site.page(projects.MARK) for _ in range(6)} == {"one"}
    assert [states(site, name) for name in BALANCERS] == [dict.fromkeys(WEBS, "ready")] * 2


def test_a_release_that_fails_on_the_first_stops_there(site: Balanced, tmp_path: Path) -> None:
    broken = projects.make(tmp_path / "two", "two")
    projects.raise_at_import(broken)
    said = []
    figures = site.drill(lambda: said.append(site.play("deploy.yml", broken)), AFTER_SECONDS)
    ((status, text),) = said
    assert status == 2
    assert "no such luck" in text
    assert "web2 gets no new connection" not in text
    assert (figures.failed, figures.lost) == (0, 0), figures
    assert {site.page(projects.MARK) for _ in range(6)} == {"one"}
    assert [states(site, name) for name in BALANCERS] == [dict.fromkeys(WEBS, "ready")] * 2


def test_a_lost_web_host_costs_what_is_in_flight(site: Balanced) -> None:
    figures = site.drill(lambda: site.lose("web1"), AFTER_SECONDS)
    assert figures.lost == 0, figures
    assert figures.silence < GAP_SECONDS, figures
    assert figures.failed <= 8, figures
    assert states(site, site.holder())["web1"] == "not ready"
    site.bring_back("web1")
    wait_until_ready(site)


def test_a_lost_balancer_costs_what_is_in_flight(site: Balanced) -> None:
    lost = site.holder()
    figures = site.drill(lambda: site.lose(lost), AFTER_SECONDS)
    assert figures.lost == 0, figures
    assert figures.silence < GAP_SECONDS, figures
    assert figures.failed <= 8, figures
    site.bring_back(lost)
    wait_until_ready(site)
    assert site.holder() != lost, "who has the address keeps it"


def test_an_haproxy_that_ends_takes_the_address_along(site: Balanced) -> None:
    before = site.holder()
    kill = "kill -9 $(systemctl show --property=MainPID --value stack-haproxy)"
    figures = site.drill(lambda: site.hosts[before].run("sh", "-c", kill), AFTER_SECONDS)
    assert figures.lost == 0, figures
    assert figures.silence < GAP_SECONDS, figures
    assert site.holder() != before
    wait_until_ready(site)
