"""A database host and two web hosts on a network of their own."""

from __future__ import annotations

import json
import subprocess
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from docker_engine import docker
from host_image import image
from systemd_host import INPUTS, SystemdHost, start, stop

from fixtures import places
from fixtures.releases import NEWEST_SUITE

PASSWORDS = "/etc/stack-database/passwords"
MEDIA = "/var/lib/stack-media"
Done = TypeVar("Done")
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


def script(host: SystemdHost, text: str) -> subprocess.CompletedProcess[str]:
    return host.run("sh", "-c", text, check=False)


def passwords(host: SystemdHost) -> list[str]:
    return script(host, f"cat {PASSWORDS}/app*").stdout.split()


def login(web: SystemdHost, role: str, **more: str) -> subprocess.CompletedProcess[str]:
    """A login at PostgreSQL from a web host, as the account that deploys."""
    words = {
        "host": DATABASE_NAME,
        "user": role,
        "dbname": "app",
        "sslmode": "verify-full",
        "connect_timeout": "3",
        "sslrootcert": "/etc/stack-database/authority.pem",
        "passfile": "/etc/stack-database/pgpass",
        "sslcert": "/nonexistent",
        **more,
    }
    text = " ".join(f"{name}={value}" for name, value in words.items())
    return web.run(
        "runuser", "-u", "deploy", "--", "psql", text, "-Atc", "SELECT current_user", check=False
    )


def under_load(apart: Apart, playbook: str) -> str:
    """Run a playbook under a steady load on one web host and with a visitor on the other. What it
    printed.

    Fails when a request or a write was lost.
    """
    done = apart.web.under_load(lambda: visited(apart.second, lambda: apart.web.played(playbook)))
    return done.stdout


def visited(host: SystemdHost, change: Callable[[], Done]) -> Done:
    """Make a change while somebody asks for a page that reads the database ten times a second.
    Fails when one fails."""
    over, failed, seen = threading.Event(), [], []

    def visit() -> None:
        while not over.wait(0.1):
            try:
                seen.append(host.page("/db"))
            except OSError as error:
                failed.append(str(error))

    visitor = threading.Thread(target=visit)
    visitor.start()
    try:
        done = change()
    finally:
        over.set()
        visitor.join()
    print(f"visitor: {len(failed)} of {len(failed) + len(seen)} failed")
    assert (failed, len(seen) > 20) == ([], True)
    return done


def upload(host: SystemdHost, name: str) -> None:
    """A file that the site has written, with its name in it."""
    host.run("runuser", "-u", "app", "--", "sh", "-c", f"echo {name} > {MEDIA}/public/{name}")


def listing(host: SystemdHost) -> list[str]:
    """All that is in the site's files, with owner, mode and where links lead."""
    return sorted(
        host.run("find", MEDIA, "-printf", "%P %u %g %m %l\\n").stdout.splitlines(),
    )
