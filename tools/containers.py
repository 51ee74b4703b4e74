"""Containers and images of this checkout's Compose stack, for what changes it while it serves.

Runs with a bare ``/usr/bin/python3``: standard library only.
"""

from __future__ import annotations

import fcntl
import json
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from debian import ToolError

if TYPE_CHECKING:
    from pgstack.planning.plan import Plan

CHECKOUT = Path(__file__).resolve().parents[1]
CONF = "/etc/stack"
"""the volume of what was rendered, where containers have it"""
LOCK_SECONDS = 60
POLL_SECONDS = 0.2
LAST_LINES = 3
SHARES, FEW_SHARES = 1024, 128
"""of the processor, where it is short: the engine's default, and what compose.yaml gives
commands"""


@dataclass(frozen=True)
class Container:
    """A container of a service that runs."""

    id: str
    image: str
    """its id"""
    named: str
    """the image as compose.yaml names it"""
    started: str
    config_hash: str
    """what Compose knows its configuration by"""
    memory: int
    """bytes that it may have"""
    nano_cpus: int
    """billionths of a processor that it may use; 0 for all there are"""


def run(*words: str, given: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run a command of `docker` in the checkout."""
    command = ["docker", *words]
    try:
        return subprocess.run(
            command, cwd=CHECKOUT, input=given or b"", capture_output=True, check=False
        )
    except OSError as error:
        raise ToolError(f"docker: {error.strerror}. Is the engine there? `make engine`.") from None


def output_of(done: subprocess.CompletedProcess[bytes]) -> str:
    """All that a command wrote."""
    return (done.stdout + done.stderr).decode(errors="replace")


def last_words(text: str) -> str:
    """The last lines of what was written."""
    return "\n".join([line for line in text.strip().splitlines() if line.strip()][-LAST_LINES:])


def require(*words: str, given: bytes | None = None) -> str:
    """What a command of `docker` prints. Raises ToolError with its last words."""
    done = run(*words, given=given)
    if done.returncode:
        raise ToolError(f"docker {' '.join(words[:4])}: {last_words(output_of(done))}")
    return done.stdout.decode(errors="replace")


def execute(container: str, *words: str) -> subprocess.CompletedProcess[bytes]:
    """Run a command in a container that runs."""
    return run("exec", container, *words)


def once(
    service: str, *words: str, options: Sequence[str] = ()
) -> subprocess.CompletedProcess[bytes]:
    """Run a command in a container of its own, made as the service's are."""
    return run("compose", "run", "--rm", "--no-deps", "--no-TTY", *options, service, *words)


def running(service: str) -> list[Container]:
    """Containers of a service that run, the oldest first."""
    ids = require("compose", "ps", "--quiet", service).split()
    rows = json.loads(require("inspect", *ids)) if ids else []
    return [_container(row) for row in sorted(rows, key=lambda row: row["Created"])]


def _container(row: dict[str, Any]) -> Container:
    return Container(
        id=row["Id"],
        image=row["Image"],
        named=row["Config"]["Image"],
        started=row["State"]["StartedAt"],
        config_hash=row["Config"]["Labels"].get("com.docker.compose.config-hash", ""),
        memory=row["HostConfig"]["Memory"],
        nano_cpus=row["HostConfig"]["NanoCpus"],
    )


def only_container(service: str) -> Container:
    """The only container of a service. Raises ToolError where it does not run."""
    of_service = running(service)
    if not of_service:
        raise ToolError(f"{service} does not run. `make up TARGET=compose` starts the stack.")
    return of_service[0]


def rendered(*words: str) -> bytes:
    """What a command prints that reads the rendered files. Raises ToolError.

    It runs where no code of the project does, so that none has a say in what is taken for them.
    """
    done = execute(only_container("pgbouncer").id, *words)
    if done.returncode:
        raise ToolError(f"{CONF}: {last_words(output_of(done))}")
    return done.stdout


def is_older(container: Container, *paths: str) -> bool:
    """Whether one of these rendered files was written since it began. Raises ToolError."""
    written = rendered("stat", "--format=%Y", *paths).split()
    return max(map(int, written)) > began(container)


def began(container: Container) -> float:
    """When it was started, in whole seconds since 1970."""
    return datetime.fromisoformat(f"{container.started[:19]}+00:00").timestamp()


class Fields(dict[str, Any]):
    """A part of a plan, whose fields are named as pgstack.planning.plan.Plan names them."""

    def __getattr__(self, name: str) -> Any:
        """Raises ToolError for what it does not have."""
        try:
            return self[name]
        except KeyError:
            raise ToolError(
                f"{CONF}/plan.json has no {name}: it is of another version. `make up` writes it "
                "anew."
            ) from None


def plan() -> Plan:
    """The plan in force, its fields and nothing else. Raises ToolError.

    Debian's Python reads it without the packages that a Plan is made with
    (docs/decisions/0034-composes-tools-need-no-packages.md).
    """
    return read_plan(rendered("cat", f"{CONF}/plan.json"))


def read_plan(text: bytes | str) -> Plan:
    """A plan as it is on the disk."""
    return cast("Plan", json.loads(text, object_hook=Fields))


def start_second(service: str, first: Container) -> Container:
    """Start another container of a service beside the first, with the image and the inputs that
    there are now. Requests come first: it has little of the processor until `let_work`.

    Raises ToolError.
    """
    # `up` would start its dependencies too or, told not to, make another container than it makes.
    options = ("--no-build", "--no-recreate", f"--scale={service}=2")
    try:
        require("compose", "create", *options, service)
        known = require("compose", "ps", "--all", "--quiet", service).split()
        (made,) = set(known) - {first.id}
        require("update", f"--cpu-shares={FEW_SHARES}", made)
        require("start", made)
        (second,) = (container for container in running(service) if container.id == made)
    except (ToolError, ValueError) as error:
        remove_others(service, first)
        raise ToolError(f"no second {service} was started: {error}") from None
    return second


def let_work(container: Container) -> None:
    """Give it as much of the processor as others have."""
    require("update", f"--cpu-shares={SHARES}", container.id)


def remove_others(service: str, kept: Container) -> None:
    """Remove every other container of a service, at once."""
    ids = require("compose", "ps", "--all", "--quiet", service).split()
    if others := [identifier for identifier in ids if identifier != kept.id]:
        run("rm", "--force", *others)


def runs(container: Container) -> bool:
    """Whether it runs, and for the first time."""
    form = "--format={{.State.Running}} {{.RestartCount}}"
    return run("inspect", form, container.id).stdout.decode().split() == ["true", "0"]


def end(container: Container) -> None:
    """Stop a container by the signal that lets work end, and remove it."""
    require("stop", container.id)
    require("rm", container.id)


def wait(question: Callable[[], bool], seconds: float) -> bool:
    """Whether the answer became yes within so many seconds."""
    deadline = time.monotonic() + seconds
    while not question():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def hashes() -> dict[str, str]:
    """Service → what Compose knows the configuration by that the inputs give now."""
    lines = require("compose", "config", "--hash", "*").splitlines()
    return {name: value for name, _, value in (line.partition(" ") for line in lines)}


def image_id(name: str) -> str:
    """Id of an image; empty where there is none."""
    done = run("image", "inspect", "--format={{.Id}}", name)
    return "" if done.returncode else done.stdout.decode().strip()


@contextmanager
def exclusive() -> Iterator[None]:
    """One command at a time on the stacks of this checkout. Raises ToolError."""
    with (CHECKOUT / "compose.yaml").open("rb") as handle:
        if not wait(lambda: _locked(handle.fileno()), LOCK_SECONDS):
            raise ToolError(
                f"another release, rollback or reload of this checkout has been running for "
                f"{LOCK_SECONDS} s. Wait for it."
            )
        yield


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def tagged(tags: Sequence[str], image: str) -> None:
    """Give an image these names."""
    for tag in tags:
        require("tag", image, tag)
