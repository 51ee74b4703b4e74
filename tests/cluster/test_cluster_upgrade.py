"""PostgreSQL's next major version on a cluster under load: rehearsed, cut off, done, taken back."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from cluster_hosts import SOCKET, Cluster, cluster_hosts, unpacked
from docker_engine import docker
from older_postgresql import DATA, FACTS, NEW, OLD, PACKAGES, WAIT_SECONDS, cut_off
from systemd_host import INPUTS

from drills import load

pytestmark = [pytest.mark.host, pytest.mark.slow, pytest.mark.timeout(2400)]
Done = subprocess.CompletedProcess[str]
PATRONI = "stack-patroni.service"
DOCKERFILE = """\
FROM {base}
COPY older.sh /root/
RUN sh -e /root/older.sh && apt-get install -y --no-install-recommends postgresql-{old} && apt-mark auto '.*' > /dev/null
"""
CONVERTS = "pgrep -x pg_upgrade"
IN_FORCE = f"grep -qE 'postgresql.: {NEW}' /etc/stack/plan.json"
MARK = "/etc/stack/upgrade/hold"
"""until stack-watch.timer has settled what was cut off"""
MOMENTS = {
    "while the copy is made": f"test -e /var/lib/postgresql/{OLD}/main.upgrade/PG_VERSION",
    "while pg_upgrade runs": CONVERTS,
}


def older(directory: Path) -> str:
    """Image of a host that has the packages of the version before too."""
    name, place = "pgstack-cluster-older", directory / "image"
    place.mkdir()
    (place / "older.sh").write_text(PACKAGES)
    (place / "Dockerfile").write_text(DOCKERFILE.format(base=unpacked(), old=OLD))
    docker("build", "--quiet", "--tag", name, str(place))
    return name


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster of the older PostgreSQL, with data of all kinds, that has been rehearsed."""
    directory = tmp_path_factory.mktemp("older")
    inputs = {"postgresql": OLD, "request_timeout": 60}
    with cluster_hosts(directory, older(directory), **inputs) as booted:
        booted.web.played("site.yml")
        booted.wait()
        words = ["runuser", "-u", "postgres", "--", "psql", f"--host={SOCKET}", "-qAt"]
        leader = booted.members[booted.leader()]
        leader.run(*words, "--set=ON_ERROR_STOP=1", f"--command={DATA}", "app")
        # With the small share of the other drills a busy machine has no pg_upgrade in 19 s.
        docker("update", "--cpu-shares=1024", *(host.container for host in booted.members.values()))
        booted.more["postgresql"] = NEW
        booted.write_inventory()
        yield booted


class Reading(load.Load):
    """Users who write nothing."""

    def _write(self, session: requests.Session, key: str, number: int) -> None:
        self._read(session)


def versions(cluster: Cluster) -> list[int]:
    """Of each member."""
    asked = "SHOW server_version_num"
    return [int(cluster.ask(name, asked) or 0) // 10000 for name in cluster.members]


def require_all(cluster: Cluster, version: int, facts: str) -> None:
    """All members have this version with all rows, and nothing is left of a try."""
    cluster.wait()
    assert versions(cluster) == [version] * 3
    for name, host in cluster.members.items():
        assert cluster.ask(name, FACTS) == facts
        there = f"ls -d /var/lib/postgresql/upgrade /var/lib/postgresql/*/main.upgrade {MARK}"
        assert host.run("sh", "-c", f"{there} 2> /dev/null", check=False).stdout == ""
        assert host.failed() == ""


def drilled(cluster: Cluster, change: Callable[[], object]) -> load.Figures:
    figures = cluster.drill(change, 5)
    assert (figures.failed, figures.lost) == (0, 0), figures
    return figures


def test_a_rehearsal_says_how_long_requests_would_wait_and_changes_nothing(
    cluster: Cluster,
) -> None:
    facts = cluster.sql(FACTS)
    said = cluster.web.played("upgrade.yml", rehearse="yes").stdout
    print(*re.findall(r"requests would be held back for [^\"]*", said))
    assert "sorted anew: app: public.customer_name" in said
    assert "pg_amcheck has nothing against it" in said
    require_all(cluster, OLD, facts)


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_at_any_moment_it_leaves_the_old_one_serving(cluster: Cluster, moment: str) -> None:
    facts = cluster.sql(FACTS)
    leader = cluster.members[cluster.leader()]
    drilled(cluster, lambda: (cut_off(leader, MOMENTS[moment]), cluster.wait()))
    require_all(cluster, OLD, facts)


def test_the_old_one_serves_when_the_host_that_upgrades_is_lost(cluster: Cluster) -> None:
    """Another member leads, with all that was acknowledged."""
    facts, away = cluster.sql(FACTS), cluster.leader()
    host = cluster.members[away]
    cluster.limit()
    host.run("stackctl", "upgrade", "--rehearse")

    def lost() -> None:
        words = ["docker", "exec", host.container, "stackctl", "upgrade"]
        with subprocess.Popen(words, stdout=subprocess.PIPE) as running:
            host.run("timeout", "90", "sh", "-c", f"until {CONVERTS}; do sleep 0.05; done")
            cluster.lose(away)
            running.communicate(timeout=60)
        while cluster.leading() in ([], [away]):
            time.sleep(0.2)

    figures = cluster.drill(lost, 10)
    assert figures.lost == 0, figures
    docker("start", host.container)
    cluster.wait()
    host.run("timeout", "120", "sh", "-c", f"while test -e {MARK}; do sleep 1; done")
    require_all(cluster, OLD, facts)
    assert cluster.leader() != away


def test_it_loses_no_request_and_the_way_back_neither(cluster: Cluster) -> None:
    """The others follow by stack-watch.timer."""
    facts = cluster.sql(FACTS)
    cluster.limit()
    drilled(cluster, lambda: print(_held(cluster.web.played("upgrade.yml"))))
    require_all(cluster, NEW, facts)
    leader = cluster.members[cluster.leader()]
    # What is written to the new one meanwhile is lost with it, so nothing is.
    reading = Reading(cluster, INPUTS["hosts"][0])
    with load.meanwhile(reading):
        print(_held(leader.run("stackctl", "upgrade", "--back")))
    assert reading.failures == []
    require_all_soon(cluster, OLD, facts)


def test_killed_after_the_switch_the_new_one_serves(cluster: Cluster) -> None:
    """As the note in etcd says: nothing that it has acknowledged may be lost."""
    facts = cluster.sql(FACTS)
    leader = cluster.members[cluster.leader()]
    figures = cluster.drill(lambda: (cut_off(leader, IN_FORCE), cluster.wait()), 5)
    assert figures.lost == 0, figures
    require_all_soon(cluster, NEW, facts)
    leader = cluster.members[cluster.leader()]
    print(_held(leader.run("stackctl", "upgrade", "--back")))
    require_all_soon(cluster, OLD, facts)


def require_all_soon(cluster: Cluster, version: int, facts: str) -> None:
    """The other members follow by stack-watch.timer."""
    deadline = time.monotonic() + WAIT_SECONDS
    while versions(cluster) != [version] * 3:
        assert time.monotonic() < deadline, versions(cluster)
        time.sleep(1)
    require_all(cluster, version, facts)


def test_a_member_that_is_lost_meanwhile_learns_of_it_by_itself(cluster: Cluster) -> None:
    facts, leader = cluster.sql(FACTS), cluster.members[cluster.leader()]
    away = cluster.standbys()[0]

    def upgraded() -> None:
        words = ["docker", "exec", leader.container, "stackctl", "upgrade"]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as running:
            leader.run("timeout", "90", "sh", "-c", f"until {CONVERTS}; do sleep 0.05; done")
            cluster.lose(away)
            print(running.communicate(timeout=300)[0])
        assert running.returncode == 0

    drilled(cluster, upgraded)
    docker("start", cluster.members[away].container)
    require_all(cluster, NEW, facts)


def _held(done: Done) -> str:
    return " ".join(re.findall(r"requests were held back for \S+ s of \d+", done.stdout))
