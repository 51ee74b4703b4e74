"""A cluster of two database hosts and a witness, with a web host: set up by one run, then hit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest
from cluster_hosts import WEB, Cluster, cluster_hosts
from docker_engine import docker
from systemd_host import SystemdHost

pytestmark = [pytest.mark.host, pytest.mark.slow, pytest.mark.timeout(1800)]

WITNESS = "db3"
HEALTHY = ("stackctl", "healthy", "--within", "120")


class Witnessed(Cluster):
    """Two members have a database."""

    whole = "sync"

    def groups(self) -> dict[str, Mapping[str, SystemdHost]]:
        databases = {name: host for name, host in self.members.items() if name != WITNESS}
        witness = {WITNESS: self.members[WITNESS]}
        return {"database": databases, "witness": witness, "web": {WEB: self.web}}


@pytest.fixture(scope="module")
def witnessed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """All four."""
    with cluster_hosts(tmp_path_factory.mktemp("witnessed"), kind=Witnessed) as booted:
        done = booted.web.play("site.yml")
        assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-2000:]}"
        booted.wait()
        yield booted


def test_a_witness_has_etcd_alone_and_says_so(witnessed: Cluster) -> None:
    witness = witnessed.members[WITNESS]
    said = witness.run("stackctl", "verify").stdout
    assert "this host is the witness, with etcd alone" in said
    assert f"{witnessed.leader()} leads, timeline " in said
    assert "etcd       3 members" in said
    assert witness.run("stackctl", "status").returncode == 0
    units = witness.run("systemctl", "list-units", "--plain", "--no-legend", "stack-*")
    running = {line.split()[0] for line in units.stdout.splitlines() if " running " in line}
    assert {"stack-etcd.service", "stack-silence.service"} <= running
    assert not {unit for unit in running if "patroni" in unit}
    passwords = witness.run("ls", "/etc/stack-database/passwords").stdout
    assert passwords == ""
    refused = witness.run("stackctl", "switchover", check=False)
    assert (refused.returncode, "Run it on db1 or db2." in refused.stderr) == (2, True)


def test_the_other_leads_when_the_host_of_the_leader_is_lost(witnessed: Cluster) -> None:
    """It and the witness end the lease, of 20 s."""
    leader = witnessed.leader()
    figures = witnessed.drill(lambda: witnessed.lose(leader), 18)
    assert figures.lost == 0, figures
    assert figures.silence < 15, figures
    assert witnessed.followed() not in ("", leader)
    told = witnessed.members[WITNESS].run("stackctl", "verify", check=False).stdout
    assert "no standby is synchronous: what is acknowledged is on one host" in told
    docker("start", witnessed.members[leader].container)
    witnessed.wait()


def test_a_lost_witness_fails_nothing(witnessed: Cluster) -> None:
    leader = witnessed.leader()
    figures = witnessed.drill(lambda: witnessed.lose(WITNESS), 12)
    assert (figures.failed, figures.lost) == (0, 0), figures
    assert witnessed.leader() == leader
    told = witnessed.members[leader].run("stackctl", "status", check=False)
    assert f"{WITNESS}: no answer" in told.stdout
    docker("start", witnessed.members[WITNESS].container)
    for host in witnessed.members.values():
        host.run(*HEALTHY)
