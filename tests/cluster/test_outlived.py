"""Two of three members are lost for good, and the last one goes on alone."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from cluster_hosts import Cluster, cluster_hosts
from ledger import Ledger
from systemd_host import changed

pytestmark = [pytest.mark.host, pytest.mark.slow, pytest.mark.timeout(1200)]
LEADS_SECONDS = 60


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One of its own: of what is left no other test has any use."""
    with cluster_hosts(tmp_path_factory.mktemp("outlived")) as booted:
        booted.web.played("site.yml")
        booted.wait()
        yield booted


def test_the_last_member_goes_on_alone(cluster: Cluster) -> None:
    cluster.limit()
    ledger, leader = Ledger(cluster.web), cluster.leader()
    last = cluster.members[leader]
    others = [name for name in cluster.members if name != leader]
    ledger.transfer("before-a-loss")
    refused = last.run("stackctl", "outlive", *others, check=False)
    assert (refused.returncode, " lives: with it most" in refused.stderr) == (2, True)
    refused = last.run("stackctl", "outlive", others[0], check=False)
    assert (refused.returncode, "name all others that are lost" in refused.stderr) == (2, True)

    for name in others:
        cluster.lose(name)
    deadline = time.monotonic() + LEADS_SECONDS
    while cluster.leading():
        assert time.monotonic() < deadline, "without a majority nobody leads"
        time.sleep(1)
    print(last.run("stackctl", "outlive", *others).stdout)
    while cluster.leading() != [leader]:
        assert time.monotonic() < deadline + LEADS_SECONDS, last.run("stackctl", "status").stdout
        time.sleep(1)
    ledger.transfer("alone")
    assert ledger.has("before-a-loss", "alone") == [True, True]
    assert ledger.balanced()


def test_empty_hosts_join_it(cluster: Cluster) -> None:
    """Both of them in one run, at whose end they may still be copying: it says then that nobody is
    synchronous."""
    ledger, leader = Ledger(cluster.web), cluster.leader()
    cluster.replace(*(name for name in cluster.members if name != leader))
    cluster.limit()
    figures = cluster.drill(lambda: cluster.web.play("site.yml"), 6)
    assert (figures.failed, figures.lost) == (0, 0), figures
    cluster.wait()
    cluster.require_healthy()
    assert cluster.leader() == leader
    assert ledger.has("before-a-loss", "alone") == [True, True]
    assert "etcd       3 members" in cluster.members[leader].run("stackctl", "verify").stdout
    cluster.web.played("site.yml")
    assert changed(cluster.web.played("site.yml")) == 0
    cluster.require_archived()
