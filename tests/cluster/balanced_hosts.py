"""Two balancers, two web hosts behind them and their database host, or a cluster of three, on a
network of their own."""

from __future__ import annotations

import csv
import io
import ipaddress
import json
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import projects
from cluster_hosts import MEMBERS, SOCKET, Cluster, drill, unpacked, way
from docker_engine import docker
from systemd_host import INPUTS, SystemdHost, changed, start, stop

from drills import load
from fixtures.releases import NEWEST_SUITE

BALANCERS, WEBS, DATABASE = ("lb1", "lb2"), ("web1", "web2"), "db1"
NAME = INPUTS["hosts"][0]
ADDRESS_PLACE = -6
"""of the address that visitors come to, among those of the network: the engine gives the first ones
to hosts"""
ANSWER_SECONDS = 10
NOTICED_SECONDS = 30
PAST_PROXIES = urllib.request.build_opener(urllib.request.ProxyHandler({}))
Site = TypeVar("Site", bound="Balanced")
STATES = """\
import socket
haproxy = socket.socket(socket.AF_UNIX)
haproxy.connect("/run/stack/haproxy/admin.sock")
haproxy.sendall(b"show stat ready 4 -1\\n")
print(haproxy.makefile().read().removeprefix("# "))
"""


@dataclass(frozen=True)
class Balanced:
    """All hosts, as an inventory in the first web host's directory has them."""

    hosts: dict[str, SystemdHost]
    network: str
    databases: ClassVar[tuple[str, ...]] = (DATABASE,)

    @cached_property
    def gateway(self) -> str:
        """Address of a visitor: the machine that runs the containers."""
        return self._network("Gateway")

    @cached_property
    def address(self) -> str:
        """That visitors come to."""
        return str(ipaddress.ip_network(self._network("Subnet"))[ADDRESS_PLACE])

    def _network(self, key: str) -> str:
        form = f"--format={{{{(index .IPAM.Config 0).{key}}}}}"
        return docker("network", "inspect", form, self.network).stdout.strip()

    @property
    def url(self) -> str:
        """Of the site."""
        return f"http://{self.address}"

    @cached_property
    def inputs(self) -> dict[str, Any]:
        """What the inventory says of all hosts."""
        places = {name: host.address() for name, host in self.hosts.items()}
        return {
            **INPUTS,
            **self.database(places),
            "web_addresses": [places[name] for name in WEBS],
            "balancers": {name: places[name] for name in BALANCERS},
            "balancer_address": self.address,
            "backup": "off",
        }

    def database(self, places: dict[str, str]) -> dict[str, Any]:
        """What it says of the database, by the address of each host."""
        return {"database_host": places[DATABASE]}

    def write_inventory(self) -> None:
        """What Ansible is told of all hosts."""

        def group(*names: str) -> dict[str, Any]:
            told = {"stack_inputs": self.inputs}
            reached = {name: {**host.variables(), **way(host)} for name, host in self.hosts.items()}
            return {"hosts": {name: {**reached[name], **told} for name in names}}

        groups = {
            "database": group(*self.databases),
            "web": group(*WEBS),
            "balancer": group(*BALANCERS),
        }
        inventory = json.dumps({"stack": {"children": groups}})
        (self.hosts[WEBS[0]].directory / "inventory.json").write_text(inventory)

    def play(self, playbook: str, project: Path | None = None, **inputs: Any) -> tuple[int, str]:
        """Status of a run and what it printed, with a project and inputs of its own."""
        own = projects.inputs(project) if project else {}
        given = {**self.inputs, **own, **inputs}
        done = self.hosts[WEBS[0]].play(playbook, stack_inputs=given)
        return done.returncode, f"{done.stdout}\n{done.stderr}\nchanged: {changed(done)}"

    def sql(self, statement: str) -> str:
        """What the administrator is answered on the database host."""
        words = ("runuser", "-u", "postgres", "--", "psql", "-XqAt", "-h", SOCKET, "-d", "app")
        return self.hosts[DATABASE].run(*words, "-c", statement).stdout.strip()

    def page(self, path: str = "/") -> str:
        """Of the site, by a connection of its own."""
        request = urllib.request.Request(self.url + path, headers={"Host": NAME})
        with PAST_PROXIES.open(request, timeout=ANSWER_SECONDS) as answer:
            return str(answer.read().decode())

    def seen(self, balancer: str) -> dict[str, str]:
        """The state of each web host, in the words of this balancer's HAProxy; of none where it does
        not answer."""
        text = self.hosts[balancer].run("/usr/bin/python3", "-I", "-c", STATES, check=False).stdout
        return {row["svname"]: row["status"] for row in csv.DictReader(io.StringIO(text))}

    def noticed(self, name: str) -> float:
        """Seconds from now until no balancer that lives has this web host any more."""
        began = time.monotonic()
        while any(self.seen(balancer).get(name, "").startswith("UP") for balancer in BALANCERS):
            assert time.monotonic() - began < NOTICED_SECONDS
        return time.monotonic() - began

    def holder(self) -> str:
        """The balancer that has the address."""
        held = [name for name in BALANCERS if self.has_address(name)]
        assert len(held) == 1, held
        return held[0]

    def has_address(self, name: str) -> bool:
        """Whether this balancer has it."""
        return f"{self.address}/" in self.hosts[name].run("ip", "-o", "-4", "addr").stdout

    def drill(self, fault: Callable[[], object], seconds: float) -> load.Figures:
        """What users saw of a fault and of the seconds after it."""
        return drill(self, fault, seconds)

    def lose(self, name: str) -> None:
        """As a loss of power does: nobody is told."""
        self.hosts[name].run("ip", "link", "set", "eth0", "down")
        docker("kill", self.hosts[name].container)

    def bring_back(self, name: str) -> None:
        """Boot it again."""
        docker("start", self.hosts[name].container)
        self.hosts[name].wait()
        self.hosts[name].limit()


class Clustered(Balanced):
    """With three database hosts."""

    databases = MEMBERS

    def database(self, places: dict[str, str]) -> dict[str, Any]:
        members = {name: places[name] for name in MEMBERS}
        return {"members": members, "failover": "silence"}

    @cached_property
    def cluster(self) -> Cluster:
        """Its database hosts, and the first web host."""
        return Cluster({name: self.hosts[name] for name in MEMBERS}, self.hosts[WEBS[0]])

    def sql(self, statement: str) -> str:
        return self.cluster.sql(statement)


@contextmanager
def balanced_hosts(directory: Path, kind: type[Site] = Balanced) -> Iterator[Site]:
    """All just booted; removed at the end with their network."""
    network = f"pgstack-balanced-{uuid.uuid4().hex[:8]}"
    docker("network", "create", network)
    places = {name: directory / name for name in (*kind.databases, *WEBS, *BALANCERS)}
    for place in places.values():
        place.mkdir()
    disk = unpacked()

    def boot(place: Path) -> SystemdHost:
        options = (f"--network={network}", f"--hostname={place.name}", "--cpu-shares=64")
        return start(NEWEST_SUITE, place, *options, disk=disk)

    try:
        with ThreadPoolExecutor() as threads:
            booted = threads.map(boot, places.values())
        balanced = kind(dict(zip(places, booted, strict=True)), network)
        balanced.write_inventory()
        yield balanced
    finally:
        for place in places.values():
            stop(place)
        docker("network", "rm", network, check=False)
