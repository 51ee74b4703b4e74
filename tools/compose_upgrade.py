"""`make upgrade` on Compose: the rows of the PostgreSQL that runs go into one of a later version
(docs/upgrades.md).

The old server stays in its container, of the image of before, and keeps its data. The new one runs
in a container of its own, of the image that was built, and has its data in the same volume.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import containers
import debian
import install
from containers import Container
from debian import ToolError, say
from next_cluster import PLACE, UNFINISHED, VOLUME, Cluster, Wanted
from pgstack.errors import StackError
from pgstack.ops import major, moved, together

POSTGRES = "postgres"
PROGRAMS = "/usr/lib/postgresql"
CLUSTER, REHEARSAL = "main", "rehearsal"
CLIENTS = ("forward", "web", "background", "metrics", "pgbouncer")
"""services that end before the rows are taken"""


def require() -> None:
    """Raise ToolError where `make up` would start a server that has not the rows: those in the
    volume are another version's, or it was not given all of them."""
    servers = containers.running(POSTGRES)
    same = [server.image == containers.image_id(server.named) for server in servers]
    if install.is_external() or (same and all(same)):
        return
    look = f"ls {PROGRAMS}; cd {VOLUME} && ls -d */{CLUSTER}/PG_VERSION */{UNFINISHED}"
    done = containers.once(POSTGRES, "-c", look, options=("--entrypoint=sh",))
    new, *there = done.stdout.decode().split() or [""]
    versions = sorted({path.partition("/")[0] for path in there})
    if f"{new}/{UNFINISHED}" in there:
        raise ToolError(
            f"the upgrade to PostgreSQL {new} was cut off, and has not all rows. Nothing was "
            "started: run `make upgrade` again, with the server of before running."
        )
    if versions and new not in versions:
        raise ToolError(
            f"the rows are PostgreSQL {' and '.join(versions)}'s, and the image that was built has "
            f"{new}, which cannot read them. Nothing was replaced. With the server of before "
            "running, `make upgrade REHEARSE=yes` says what an upgrade takes (docs/upgrades.md)."
        )


def upgrade(*, rehearse: bool) -> None:
    """Make the new version, with all rows; in a rehearsal it is deleted again, and pages are served
    all the time. Raises ToolError, StackError, with the old version serving."""
    server, wanted = containers.only_container(POSTGRES), _wanted()
    with _container() as name:
        cluster = Cluster(wanted, REHEARSAL if rehearse else CLUSTER, name)
        old, new = _sides(cluster)
        version = old.version()
        _require_possible(cluster, version, moved.size(old))
        for database in moved.left_behind(old):
            say(f"not moved the database {database}")
        if rehearse:
            seconds = _moved(cluster, old, new)
            size = moved.size(old) // 1024**2
            say(
                f"rehearsal PostgreSQL {version} can become {wanted.version}: {seconds:.0f} s for "
                f"{size} MB. No page is answered for that long, and until `make up` has started "
                "all servers anew."
            )
            return
        with _clients_stopped():
            seconds = _moved(cluster, old, new, lambda: say(f"compared  {moved.compare(old, new)}"))
            cluster.run("rm", cluster.unfinished)
    containers.require("compose", "down")
    say(
        f"upgraded  PostgreSQL {version} to {wanted.version} in {seconds:.0f} s. The old data "
        f"stays in the volume until `make upgrade FINISH=yes`; image of its server: {server.image}"
    )


def _wanted() -> Wanted:
    """Raises ToolError in the planner's words, and where PostgreSQL is somebody else's."""
    if install.is_external():
        raise ToolError("STACK_DATABASE_URL: this PostgreSQL is its administrator's to upgrade.")
    done = containers.once("configure", "python", "-m", "pgstack.targets.next_version")
    if done.returncode:
        raise ToolError(containers.last_words(done.stderr.decode(errors="replace")))
    return Wanted(**json.loads(done.stdout))


@contextmanager
def _container() -> Iterator[str]:
    """One for the new server, from the image that was built; it is removed, and so is what a
    command has left that was killed. Raises ToolError."""
    mark = f"stack.upgrade={containers.CHECKOUT}"
    _end(mark)
    options = ("--detach", "--rm", "--no-deps", f"--label={mark}", "--entrypoint=sleep")
    try:
        yield containers.require("compose", "run", *options, POSTGRES, "infinity").split()[-1]
    finally:
        _end(mark)


def _end(mark: str) -> None:
    listed = containers.run("ps", "--all", "--quiet", f"--filter=label={mark}")
    if names := listed.stdout.decode().split():
        containers.run("rm", "--force", *names)


def _sides(cluster: Cluster) -> tuple[together.Stack, together.Stack]:
    """Both databases, asked by programs of the new version."""
    wanted = cluster.wanted
    old = together.Stack(
        tree="",
        database=wanted.database,
        admin=wanted.admin,
        sockets=wanted.sockets,
        programs=("docker", "exec", "--interactive", cluster.container),
        directory=wanted.directory,
    )
    return old, replace(old, sockets=PLACE, roles=f"{PLACE}/roles.sql")


def _require_possible(cluster: Cluster, old: int, size: int) -> None:
    """Raise ToolError with what stops it. What a run has left that was cut off is deleted."""
    new = cluster.wanted.version
    if old >= new:
        raise ToolError(
            f"PostgreSQL {old} runs, and the images of this checkout have {new}: no later one. "
            "Nothing was changed."
        )
    if cluster.is_complete() and cluster.name == CLUSTER:
        raise ToolError(
            f"{cluster.data} in the volume holds rows of an earlier upgrade; nothing was changed. "
            "Where they are not needed: docker compose run --rm --no-deps "
            f"--entrypoint=pg_dropcluster {POSTGRES} {new} {CLUSTER}"
        )
    cluster.drop()
    free = int(cluster.run("df", "--output=avail", "--block-size=1", VOLUME).split()[-1])
    if free < size + major.SPARE_BYTES:
        needed = (size + major.SPARE_BYTES) // 1024**2
        raise ToolError(
            f"{free // 1024**2} MB are free in the volume, and {needed} MB are needed: the rows "
            "once more, and 1 GB. Nothing was changed."
        )


def _moved(
    cluster: Cluster,
    old: together.Stack,
    new: together.Stack,
    check: Callable[[], None] = lambda: None,
) -> float:
    """Seconds that it took to make the new one, with all rows; where it fails nothing is left of
    it. Raises ToolError, StackError."""
    begun = time.monotonic()
    if cluster.name == CLUSTER:
        cluster.run("install", "-D", "/dev/null", cluster.unfinished)
    try:
        cluster.create()
        together.move(old, new)
        check()
        cluster.control("--mode=fast", "stop")
    except BaseException:
        cluster.drop()
        containers.execute(cluster.container, "rm", "--force", cluster.unfinished)
        raise
    if cluster.name == REHEARSAL:
        cluster.drop()
    return time.monotonic() - begun


@contextmanager
def _clients_stopped() -> Iterator[None]:
    """Within it nobody writes. Where it fails, those that ran go on. Raises ToolError."""
    running: list[Container] = []
    try:
        for service in CLIENTS:
            for container in containers.running(service):
                running.append(container)
                containers.require("stop", container.id)
        yield
    except BaseException:
        for container in reversed(running):
            containers.run("start", container.id)
        raise


def finish() -> None:
    """Delete the data of older versions. Raises ToolError."""
    server = containers.only_container(POSTGRES)
    now = int(containers.require("exec", server.id, "ls", PROGRAMS).split()[0])
    there = containers.require("exec", server.id, "ls", VOLUME).split()
    old = [name for name in there if name.isdigit() and int(name) < now]
    if not old:
        raise ToolError(f"PostgreSQL {now} runs, and no older one is kept from an upgrade.")
    for name in old:
        places = (f"{VOLUME}/{name}", f"{VOLUME}/etc/{name}")
        containers.require("exec", server.id, "rm", "--recursive", "--force", *places)
        say(f"deleted   the data of PostgreSQL {name}")


def work() -> None:
    """Do what the command line names."""
    os.chdir(containers.CHECKOUT)
    if sys.argv[1] == "require":
        require()
        return
    steps: dict[str, Callable[[], None]] = {
        "rehearse": lambda: upgrade(rehearse=True),
        "upgrade": lambda: upgrade(rehearse=False),
        "finish": finish,
    }
    try:
        with containers.exclusive():
            steps[sys.argv[1]]()
    except StackError as error:
        raise ToolError(str(error)) from None


if __name__ == "__main__":
    debian.main("up" if sys.argv[1:] == ["require"] else "upgrade", work)
