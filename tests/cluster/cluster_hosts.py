"""Three database hosts and a web host on a network of their own, with the packages of all roles
unpacked beforehand."""

from __future__ import annotations

import json
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import pytest
from backup_store import BUCKET, NAME, Store, backup_store
from docker_engine import docker
from host_image import image
from systemd_host import INPUTS, SystemdHost, start, stop

from drills import load
from fixtures.releases import NEWEST_SUITE

MEMBERS, WEB = ("db1", "db2", "db3"), "web1"
MASKED = "etcd patroni pgbouncer apache2 postgresql haproxy keepalived"
PACKAGES = (
    "postgresql-17 openssl etcd-server etcd-client patroni python3-etcd python3-idna pgbouncer "
    "postgresql-client-17 apache2-bin libapache2-mod-wsgi-py3 media-types python3-venv acl "
    "ca-certificates logrotate procps sudo unattended-upgrades systemd-timesyncd nftables pgbackrest "
    "haproxy keepalived"
)
DOCKERFILE = f"""\
FROM {{base}}
RUN mkdir -p /etc/postgresql-common/createcluster.d \\
    && echo create_main_cluster = false > /etc/postgresql-common/createcluster.d/none.conf \\
    && for unit in {MASKED}; do ln -s /dev/null /etc/systemd/system/$unit.service; done
RUN apt-get update \\
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends {PACKAGES} \\
    && apt-mark auto '.*' > /dev/null
"""
"""what takes time to unpack; the roles still ask for it, and no server of it starts"""
TRUSTED = "/usr/local/share/ca-certificates/store.crt"
ARCHIVED_SECONDS = 120
JOIN_SECONDS = 180
BEFORE_SECONDS = 3
"""of load before a fault"""
SOCKET = "/run/stack/postgres"
NO_STORE = Store("", "", "", Path())


@dataclass(frozen=True)
class Cluster:
    """All hosts, as an inventory in the web host's directory has them."""

    members: dict[str, SystemdHost]
    web: SystemdHost
    store: Store = NO_STORE
    more: dict[str, Any] = field(default_factory=dict)
    """inputs of this cluster alone"""
    whole: ClassVar[str] = "async sync"
    """how standbys of one that is whole replicate"""

    @cached_property
    def url(self) -> str:
        """Of the web host, past any proxy of the engine."""
        return f"http://{self.web.address()}"

    def sql(self, statement: str) -> str:
        """What the administrator is answered on the leader's host."""
        return self.ask(self.leader(), statement)

    def ask(self, member: str, statement: str) -> str:
        """What the administrator is answered on a member; empty where nobody answers."""
        words = ("runuser", "-u", "postgres", "--", "psql", "-XqAt", "-h", SOCKET, "-d", "app")
        return self.members[member].run(*words, "-c", statement, check=False).stdout.strip()

    def leader(self) -> str:
        """The member that takes writes. Fails when there is none, or more than one."""
        leading = self.leading()
        assert len(leading) == 1, leading
        return leading[0]

    def leading(self) -> list[str]:
        """Members whose PostgreSQL is no standby: during a fault an old one may still be there."""
        asked = "SELECT pg_is_in_recovery()"
        return [name for name in self.members if self.ask(name, asked) == "f"]

    def standbys(self) -> list[str]:
        """The one that has every acknowledged write, then the other."""
        asked = "SELECT application_name FROM pg_stat_replication ORDER BY sync_state DESC"
        return self.sql(asked).split()

    def hosts(self, *names: str) -> list[SystemdHost]:
        """Members of these names."""
        return [self.members[name] for name in names]

    def others(self, member: str) -> list[SystemdHost]:
        """All members but this one."""
        return self.hosts(*(name for name in self.members if name != member))

    def wait(self) -> None:
        """Until the others stream from the leader, one of them synchronously, and PgBouncer leads
        there."""
        asked = "SELECT string_agg(sync_state, ' ' ORDER BY sync_state) FROM pg_stat_replication"
        deadline = time.monotonic() + JOIN_SECONDS
        while True:
            states = [self.ask(name, asked) for name in self.members]
            if self.whole in states and self.leading() == [self.followed()]:
                return
            if time.monotonic() > deadline:
                pytest.fail(f"no whole cluster after {JOIN_SECONDS} s: {states}")
            time.sleep(0.5)

    def require_healthy(self) -> None:
        """Fails unless it is as whoever works on it wants it, two minutes from now at most."""
        self.members[self.leader()].run("stackctl", "healthy", "--within", "120")

    def require_archived(self) -> None:
        """Fails unless the leader's WAL of now is in the repository within a minute or two."""
        name = self.sql("SELECT pg_walfile_name(pg_switch_wal())")
        deadline = time.monotonic() + ARCHIVED_SECONDS
        asked = "SELECT last_archived_wal, last_failed_wal, last_failed_time FROM pg_stat_archiver"
        while not (there := self.sql(asked)).partition("|")[0] >= name:
            assert time.monotonic() < deadline, f"{name} is not archived: {there}"
            time.sleep(1)

    def limit(self) -> None:
        """Have all hosts end by themselves later than they would have."""
        for host in (*self.members.values(), self.web):
            host.limit()

    def groups(self) -> dict[str, Mapping[str, SystemdHost]]:
        """The inventory's."""
        return {"database": self.members, "web": {WEB: self.web}}

    def write_inventory(self) -> None:
        """What Ansible is told of all hosts."""
        inputs = {
            **INPUTS,
            "members": {name: host.address() for name, host in self.members.items()},
            "web_addresses": [self.web.address()],
            "failover": "silence",
            "replicas": "read",
            "backup": "s3",
            "backup_host": NAME,
            "backup_bucket": BUCKET,
            "backup_path": "/shop",
            **self.more,
        }
        keys = {"backup_s3_key": "key", "backup_s3_secret": "secret"}

        def group(hosts: Mapping[str, SystemdHost]) -> dict[str, Any]:
            return {
                "hosts": {
                    name: {**host.variables(), **way(host), **keys, "stack_inputs": inputs}
                    for name, host in hosts.items()
                }
            }

        groups = {name: group(hosts) for name, hosts in self.groups().items()}
        inventory = json.dumps({"stack": {"children": groups}})
        (self.web.directory / "inventory.json").write_text(inventory)

    def backups(self, member: str) -> list[str]:
        """Labels of the backups in the bucket, as a member reads it."""
        words = ("runuser", "-u", "postgres", "--", "pgbackrest", "--output=json", "info")
        (stanza,) = json.loads(self.members[member].run(*words).stdout)
        return [str(kept["label"]) for kept in stanza["backup"]]

    def replace(self, *members: str) -> None:
        """Empty hosts in the place of those that are gone for good; Ansible is told."""
        for member in members:
            place = self.members[member].directory
            stop(place)
            shutil.rmtree(place)
            place.mkdir()
            self.members[member] = _boot(place, self.store, unpacked())
        self.write_inventory()

    @contextmanager
    def rebooting(self) -> Iterator[None]:
        """Meanwhile a host that shuts down boots again."""
        with rebooting(*self.members.values(), self.web):
            yield

    def switchover(self) -> None:
        """Have another member lead."""
        done = self.members[self.leader()].run("stackctl", "switchover", check=False)
        print(done.stdout, done.stderr)
        if done.returncode:
            self.show_elections(90)
        assert done.returncode == 0, done.stderr

    def show_elections(self, seconds: float) -> None:
        """Print what each member's Patroni has said in the last so many seconds."""
        words = ("journalctl", "--unit=stack-patroni", "--no-pager", "-o", "cat")
        for name, host in self.members.items():
            print(f"{name}:\n{host.run(*words, f'--since=-{seconds:.0f}s').stdout}")

    def lose(self, member: str) -> None:
        """As a loss of power does: nobody is told."""
        host = self.members[member]
        host.run("ip", "link", "set", "eth0", "down")
        docker("kill", host.container)

    def uninstall(self, member: str, *words: str) -> str:
        """What the playbook says of this member and the web host; fails with it."""
        limit = ("--limit", f"{member},{WEB}", "-e", "confirm=yes")
        return self.web.played("uninstall.yml", *limit, *words).stdout

    def drill(self, fault: Callable[[], object], seconds: float) -> load.Figures:
        """What users saw of a fault and of the seconds after it; every acknowledged write is looked
        up."""
        return drill(self, fault, seconds)

    def followed(self) -> str:
        """The member that PgBouncer is led to."""
        led = self.web.run("readlink", "/run/stack/primary/led", check=False).stdout
        return led.partition(" ")[0]

    def read_from(self) -> str:
        """The member that reads are led to."""
        return self.web.run("readlink", "/run/stack/primary/read").stdout.strip()

    def wait_for_reads(self, wanted: Callable[[str], bool], seconds: float = 60) -> float:
        """Seconds until they are led to a member that is wanted."""
        began = time.monotonic()
        while not wanted(there := self.read_from()):
            waited = time.monotonic() - began
            assert waited < seconds, f"reads lead to {there} after {waited:.1f} s"
            time.sleep(0.1)
        return time.monotonic() - began


def drill(site: load.Site, fault: Callable[[], object], seconds: float) -> load.Figures:
    """What users of this site saw of a fault and of the seconds after it; every acknowledged write
    is looked up."""
    with load.users(site, host=INPUTS["hosts"][0]) as users:
        time.sleep(BEFORE_SECONDS)
        began = time.monotonic()
        fault()
        time.sleep(seconds)
    figures = users.figures(began)
    print(figures)
    return figures


@contextmanager
def rebooting(*hosts: SystemdHost) -> Iterator[None]:
    """Meanwhile a host that shuts down boots again: its container has ended then. All of them end by
    themselves later than they would have."""
    over = threading.Event()

    def boot() -> None:
        while not over.wait(0.5):
            for host in hosts:
                docker("start", host.container, check=False)

    thread = threading.Thread(target=boot, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        for host in hosts:
            host.limit()


@contextmanager
def cluster_hosts(
    directory: Path, disk: str = "", kind: type[Cluster] = Cluster, **more: Any
) -> Iterator[Cluster]:
    """All just booted, of the image `disk` or that with all packages, and a bucket beside them;
    removed at the end with their network. `more` are further inputs."""
    network = f"pgstack-cluster-{uuid.uuid4().hex[:8]}"
    docker("network", "create", network)
    places = {name: directory / name for name in (*MEMBERS, WEB)}
    for place in (*places.values(), directory / "store"):
        place.mkdir()
    try:
        with backup_store(directory / "store", network) as store, ThreadPoolExecutor() as threads:
            disk = disk or unpacked()
            booted = dict(
                zip(
                    places,
                    threads.map(lambda place: _boot(place, store, disk), places.values()),
                    strict=True,
                )
            )
            web = booted.pop(WEB)
            cluster = kind(booted, web, store, more)
            cluster.write_inventory()
            yield cluster
    finally:
        for place in places.values():
            stop(place)
        docker("network", "rm", network, check=False)


def way(host: SystemdHost) -> dict[str, Any]:
    """How Ansible reaches it: a published port is another one after a reboot."""
    return {"ansible_host": host.address(), "ansible_port": 22}


def unpacked() -> str:
    """Name of the image in which all packages are."""
    name = f"pgstack-cluster:{NEWEST_SUITE}"
    text = DOCKERFILE.format(base=image(NEWEST_SUITE))
    docker("build", "--quiet", "--tag", name, "-", text=text)
    return name


def _boot(place: Path, store: Store, disk: str) -> SystemdHost:
    options = (
        f"--network={store.network}",
        f"--hostname={place.name}",
        "--cpu-shares=64",
        f"--volume={store.certificate}:{TRUSTED}:ro",
    )
    host = start(NEWEST_SUITE, place, *options, disk=disk)
    host.run("update-ca-certificates")
    return host
