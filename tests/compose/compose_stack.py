"""A whole stack on a real engine, under a project name and a port of its own."""

from __future__ import annotations

import json
import os
import shutil
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from fixtures.releases import NEWEST_IMAGE

CHECKOUT = Path(__file__).resolve().parents[2]
STEADY = 50
"""Good answers in a row, several for every thread that the stack has on a small machine."""
COPIED = (
    "app",
    "apache",
    "backup",
    "egress",
    "observability",
    "pgbouncer",
    "postgres",
    "requirements",
    "tools",
    "valkey",
)
ENGINE_REMEDY = "run `make engine base-image` as root"


def require_engine() -> None:
    """Skip, saying what is missing and how to get it."""
    wanted = {
        "a Docker engine that answers": ["docker", "info", "--format", "{{.ServerVersion}}"],
        "Compose v2": ["docker", "compose", "version"],
        "buildx": ["docker", "buildx", "version"],
        f"the image {NEWEST_IMAGE}": ["docker", "image", "inspect", NEWEST_IMAGE],
    }
    for what, command in wanted.items():
        try:
            subprocess.run(command, capture_output=True, check=True, timeout=30)
        except (OSError, subprocess.SubprocessError):
            pytest.skip(f"{what} is missing; {ENGINE_REMEDY}")


def copy_checkout(directory: Path) -> None:
    """What Compose and its tools need of this checkout, to be changed."""
    for name in COPIED:
        shutil.copytree(CHECKOUT / name, directory / name)
    for name in ("compose.yaml", ".dockerignore", "Makefile"):
        shutil.copy(CHECKOUT / name, directory / name)


@dataclass(frozen=True)
class ComposeStack:
    """Commands on one project."""

    project: str
    port: int
    inputs: Mapping[str, str] = field(default_factory=dict)
    checkout: Path = CHECKOUT

    @property
    def url(self) -> str:
        scheme = "http" if self.inputs.get("STACK_TLS", "off") == "off" else "https"
        return f"{scheme}://127.0.0.1:{self.port}"

    def environment(self) -> dict[str, str]:
        """The stack's inputs and none of the caller's."""
        others = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("STACK_", "COMPOSE_"))
        }
        own = {
            "COMPOSE_PROJECT_NAME": self.project,
            "STACK_PORT": str(self.port),
            "STACK_MEMORY": "1g",
        }
        return others | own | dict(self.inputs)

    def with_inputs(self, inputs: Mapping[str, str]) -> ComposeStack:
        """The same containers, for commands that are given other inputs."""
        return replace(self, inputs={**self.inputs, **inputs})

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command with the stack's inputs and none of the caller's."""
        done = subprocess.run(
            command,
            cwd=self.checkout,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if check and done.returncode:
            pytest.fail(
                f"{' '.join(command)}: status {done.returncode}\n{done.stdout}{done.stderr}"
            )
        return done

    def compose(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.run("docker", "compose", *arguments, check=check)

    def python(
        self, code: str, *arguments: str, account: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run `code` in a container of its own that mounts what `manage` does."""
        user = (f"--user={account}",) if account else ()
        run = ("run", "--rm", "--no-deps", "--no-TTY", *user, "--entrypoint=python", "manage")
        return self.compose(*run, "-c", code, *arguments, check=False)

    def up(self, *arguments: str) -> None:
        """Start, and print every container's log when that fails."""
        done = self.compose("up", "--wait", *arguments, check=False)
        if done.returncode:
            logs = self.compose("logs", "--no-color", "--tail=60", check=False).stdout
            pytest.fail(f"docker compose up failed:\n{done.stderr[-3000:]}\n{logs}")

    def container(self, service: str) -> str:
        return self.compose("ps", "--all", "--quiet", service).stdout.strip()

    def inspect(self, service: str) -> dict[str, Any]:
        containers: list[dict[str, Any]] = json.loads(
            self.run("docker", "inspect", self.container(service)).stdout
        )
        return containers[0]

    def verifies(self) -> bool:
        """Whether what runs is what the inputs give."""
        words = ("run", "--rm", "--no-deps", "--no-TTY", "manage", "stack_verify")
        return self.compose(*words, check=False).returncode == 0

    def execute(
        self, service: str, *command: str, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        return self.compose("exec", "--no-TTY", service, *command, check=check)

    def sql(self, statement: str) -> str:
        """What the administrator reads straight from PostgreSQL."""
        host = "--host=/run/stack/postgres"
        psql = (
            "psql",
            "--no-psqlrc",
            "--quiet",
            "--tuples-only",
            "--no-align",
            host,
            "--dbname=app",
        )
        return self.execute("postgres", *psql, f"--command={statement}").stdout.strip()

    def get(self, path: str) -> tuple[int, str]:
        """Status and body; a status of 0 when nothing answers."""
        try:
            unverified = ssl._create_unverified_context()  # what the page is, not who it is from
            with urllib.request.urlopen(
                f"{self.url}{path}", timeout=10, context=unverified
            ) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def wait_until_steady(self, seconds: float = 30) -> None:
        """Until /db answers often enough in a row that every thread has a connection that works."""
        deadline = time.monotonic() + seconds
        good = 0
        while good < STEADY:
            answer = self.get("/db")
            good = good + 1 if answer[0] == 200 else 0
            assert time.monotonic() < deadline, f"/db after {seconds} s: {answer}"
            if not good:
                time.sleep(0.1)

    def remove(self) -> None:
        """Everything that the project has: containers, networks, volumes and images."""
        down = ("down", "--volumes", "--remove-orphans", "--timeout=10")
        # Closed, it has one more network.
        closed = ("env", "STACK_EGRESS=closed")
        self.run(*closed, "docker", "compose", "--profile=manage", *down)
        if images := self.images():
            self.run("docker", "image", "rm", "--force", *images)

    def images(self) -> list[str]:
        """Images built for the project, with a name or without."""
        label = f"label=com.docker.compose.project={self.project}"
        return self.run(
            "docker", "image", "ls", "--quiet", "--no-trunc", "--filter", label
        ).stdout.split()

    def orphans(self) -> list[str]:
        """Objects of the project that the engine still knows."""
        label = f"label=com.docker.compose.project={self.project}"
        listings = (
            ("docker", "ps", "--all", "--quiet", "--filter", label),
            ("docker", "volume", "ls", "--quiet", "--filter", label),
            ("docker", "network", "ls", "--quiet", "--filter", label),
        )
        return [
            line for command in listings for line in self.run(*command).stdout.splitlines()
        ] + self.images()
