"""A machine that has nothing but Debian: a container that begins as a fresh bootstrap of one
release."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
CA_BUNDLE = os.environ.get("CA_BUNDLE", "/etc/ssl/certs/ca-certificates.crt")
LIFETIME_SECONDS = 1800
"""The container ends by itself after this time, also when the tests were killed."""
LIMITS = ("--memory=2g", "--memory-swap=2g", "--pids-limit=1024")


@dataclass(frozen=True)
class BareMachine:
    """Commands on one container. `seconds` holds what each `make` took, in order."""

    suite: str
    container: str
    seconds: dict[str, float] = field(default_factory=dict)

    def run(
        self, command: str, *, user: str = "root", directory: str = "/", **inputs: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a shell command as `user`."""
        environment = [f"--env={name}={value}" for name, value in inputs.items()]
        where = [f"--user={user}", f"--workdir={directory}"]
        return _docker("exec", *where, *environment, self.container, "sh", "-c", command)

    def make(
        self, goals: str, directory: str, *, user: str = "root", what: str = "", **inputs: str
    ) -> subprocess.CompletedProcess[str]:
        """Run `make` in a checkout and note the time that it took."""
        started = time.monotonic()
        done = self.run(
            f"make --no-print-directory {goals}", user=user, directory=directory, **inputs
        )
        self.seconds[what or f"{user}: make {goals}"] = round(time.monotonic() - started, 1)
        return done

    def clone(self, directory: str, user: str = "root") -> None:
        """What a newcomer types first."""
        done = self.run(f"git clone --quiet /project.bundle {directory}", user=user)
        assert done.returncode == 0, done.stderr

    def page(self, address: str) -> str:
        """Body of a page, fetched on the machine itself; fails on any status but 200."""
        fetch = (
            f"import urllib.request; print(urllib.request.urlopen('{address}', "
            f"timeout=10).read().decode())"
        )
        done = self.run(f'/usr/bin/python3 -c "{fetch}"')
        assert done.returncode == 0, done.stderr
        return done.stdout


def _docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)


def base_image(suite: str) -> str:
    """Name of the image of a bare machine; made once, then kept by the engine."""
    try:
        answer = _docker("info", "--format", "{{.ServerVersion}}")
    except FileNotFoundError:
        pytest.skip("docker is missing; run `make engine` as root")
    if answer.returncode:
        pytest.skip("no Docker engine answers; run `make engine` as root")
    image = f"debian:{suite}-slim"
    if _docker("image", "inspect", image).returncode:
        tool = "tools/base_image.py"
        if os.geteuid():
            pytest.skip(
                f"the image {image} is missing; run `/usr/bin/python3 {tool} {suite}` as root"
            )
        made = subprocess.run(
            ["/usr/bin/python3", str(CHECKOUT / tool), suite],
            capture_output=True,
            text=True,
            check=False,
        )
        assert made.returncode == 0, made.stderr
    return image


def bundle(directory: Path) -> Path:
    """The working tree as a repository in one file: what is tested is what lies here, committed or
    not."""
    if shutil.which("git") is None:
        pytest.skip("git is missing; install the package git")
    repository = ["git", f"--git-dir={directory}/git", f"--work-tree={CHECKOUT}"]
    identity = ["-c", "user.name=tests", "-c", "user.email=tests@localhost"]
    for command in (
        ["git", "init", "--quiet", "--bare", "--initial-branch=main", f"{directory}/git"],
        [*repository, "add", "--all"],
        [*repository, *identity, "commit", "--quiet", "--message=Working tree"],
        [*repository, "bundle", "create", "--quiet", f"{directory}/project.bundle", "HEAD", "main"],
    ):
        subprocess.run(command, check=True, capture_output=True, text=True)
    return directory / "project.bundle"


@contextmanager
def bare_machine(suite: str, project: Path) -> Iterator[BareMachine]:
    """A container with Debian, git and make; removed at the end whatever happens."""
    # For proxies that sign TLS anew: pip has a bundle of its own and does not look at the system's.
    trust = ("--env=PIP_CERT=/run/ca-bundle.crt", f"--volume={CA_BUNDLE}:/run/ca-bundle.crt:ro")
    started = _docker(
        "run",
        "--detach",
        "--rm",
        "--init",
        *LIMITS,
        *trust,
        base_image(suite),
        "sleep",
        str(LIFETIME_SECONDS),
    )
    assert started.returncode == 0, started.stderr
    machine = BareMachine(suite, started.stdout.strip())
    try:
        copied = _docker("cp", str(project), f"{machine.container}:/project.bundle")
        assert copied.returncode == 0, copied.stderr
        newcomer = "apt-get update -qq && apt-get install -qq -y --no-install-recommends git make"
        if (done := machine.run(newcomer, DEBIAN_FRONTEND="noninteractive")).returncode:
            pytest.skip(f"a container cannot install git and make: {done.stderr.strip()[-500:]}")
        yield machine
    finally:
        _docker("rm", "--force", machine.container)
