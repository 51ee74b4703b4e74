"""A database host and two web hosts on a network of their own."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docker_engine import docker
from host_image import image
from systemd_host import INPUTS, SystemdHost, start, stop

from fixtures import places
from fixtures.releases import NEWEST_SUITE

DATABASE_NAME = "db.example"
"""under which the web host finds the other"""


@dataclass(frozen=True)
class Apart:
    """All hosts; `inputs` is what the inventory says of them."""

    web: SystemdHost
    second: SystemdHost
    database: SystemdHost
    network: str
    inputs: dict[str, Any]

    @property
    def url(self) -> str:
        """Of the first web host."""
        return self.web.url

    def sql(self, statement: str) -> str:
        """What the administrator is answered on the database host."""
        ask = ("runuser", "-u", "postgres", "--", "psql", "-XqAt", "-d", "app", "-c", statement)
        return self.database.run(*ask).stdout.strip()

    def cut(self, seconds: int, meanwhile: str = "true") -> None:
        """For so long no packet passes between the database host and any other; nobody is told."""
        chains = "".join(
            f"chain {hook} {{ type filter hook {hook} priority -300; {name} != lo drop; }}\n"
            for hook, name in (("input", "iifname"), ("output", "oifname"))
        )
        rules = f"table inet cut {{\n{chains}}}"
        self.database.run("nft", rules)
        try:
            self.database.run("sh", "-c", f"{meanwhile}; sleep {seconds}")
        finally:
            self.database.run("nft", "delete", "table", "inet", "cut")

    @property
    def gateway(self) -> str:
        """Address of a stranger on the same network: the machine that runs the containers."""
        return docker(
            "network", "inspect", "--format={{(index .IPAM.Config 0).Gateway}}", self.network
        ).stdout.strip()


@contextmanager
def systemd_hosts(
    suite: str, places: dict[Path, tuple[str, ...]]
) -> Iterator[tuple[SystemdHost, ...]]:
    """Several, booted at the same time: a directory for each, with the options of its `docker
    run`."""
    image(suite)  # once for all
    for directory in places:
        directory.mkdir()
    try:
        with ThreadPoolExecutor() as threads:
            booted = [threads.submit(start, suite, place, *more) for place, more in places.items()]
        yield tuple(future.result() for future in booted)
    finally:
        for directory in places:
            stop(directory)


@contextmanager
def apart_hosts(directory: Path, suite: str = NEWEST_SUITE) -> Iterator[Apart]:
    """All just booted, with an inventory in the first web host's directory; removed at the end with
    the network."""
    network = f"pgstack-apart-{uuid.uuid4().hex[:8]}"
    docker("network", "create", network)
    try:
        names = {"web": "web.example", "second": "second.example", "database": DATABASE_NAME}
        options = {
            directory / name: (f"--network={network}", f"--network-alias={alias}")
            for name, alias in names.items()
        }
        with systemd_hosts(suite, options) as (web, second, database):
            inputs = {**INPUTS, "locale": places.LOCALE}
            inputs |= {
                "database_host": DATABASE_NAME,
                "web_addresses": [web.address(), second.address()],
            }

            def group(**members: SystemdHost) -> dict[str, Any]:
                named = {
                    name: {**host.variables(), "stack_inputs": inputs}
                    for name, host in members.items()
                }
                return {"hosts": named}

            groups = {"web": group(web1=web, web2=second), "database": group(database1=database)}
            (web.directory / "inventory.json").write_text(
                json.dumps({"stack": {"children": groups}})
            )
            yield Apart(web, second, database, network, inputs)
    finally:
        docker("network", "rm", network, check=False)
