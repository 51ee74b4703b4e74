"""A container of one Debian release in which the lab runs as it does on a machine: with its own
servers and its own Python, and the processors and the loopback of this one."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from loadtest.lab.paths import CHECKOUT
from pgstack.errors import InputError, TargetError
from pgstack.planning.packages import RELEASES, known

PROJECT, RESULTS, ACCOUNT = "/srv/project", "/srv/results", "lab"
KEPT = (".venv", ".cache")
"""of the checkout in the container, when it gets the code anew"""
CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
OF_LAB = (
    *("git", "make", "pgpool2", "mariadb-server", "python3-mysqldb", "wrk"),
    *("nginx-light", "uwsgi-core", "uwsgi-plugin-python3", "libjemalloc2"),
)
"""packages beside those of the stack: docs/load-lab.md"""
NOTHING_STARTS = (
    "printf '#!/bin/sh\\nexit 101\\n' > /usr/sbin/policy-rc.d && chmod +x /usr/sbin/policy-rc.d"
)
INSTALL = "apt-get -q update && apt-get install -q -y --no-install-recommends"
TAIL = 800


@dataclass(frozen=True)
class Container:
    """That of one Debian release. It stays until `remove`, stopped between two uses, with its
    packages and with what was measured in it."""

    debian: int

    @property
    def name(self) -> str:
        """Of the container."""
        return f"loadtest-debian-{self.debian}"

    def prepare(self) -> None:
        """Have it run, with the packages that the lab needs and the code that is here. Raises
        InputError, TargetError."""
        if _docker("container", "inspect", self.name).returncode:
            self._create()
        self._require("docker", "start", self.name)
        here = self.command("test", "-x", "/usr/bin/wrk", directory="/", account="root")
        if subprocess.run(here, check=False).returncode:
            self._require_within(NOTHING_STARTS)
            self._require_within(f"{INSTALL} {' '.join(OF_LAB)}", DEBIAN_FRONTEND="noninteractive")
            self._require_within(f"useradd --create-home {ACCOUNT}")
        self._copy_code()
        self._require_within("make --no-print-directory packages", directory=PROJECT)
        install = "make --no-print-directory install-dev"
        self._require_within(install, account=ACCOUNT, directory=PROJECT)

    def command(
        self,
        *words: str,
        account: str = ACCOUNT,
        directory: str = PROJECT,
        environment: Mapping[str, str] | None = None,
    ) -> list[str]:
        """What runs `words` in it, with the standard input of whoever runs it."""
        variables = [f"--env={name}={value}" for name, value in (environment or {}).items()]
        where = [f"--user={account}", f"--workdir={directory}"]
        return ["docker", "exec", "--interactive", *where, *variables, self.name, *words]

    def fetch_results(self, place: Path) -> None:
        """Copy what runs of the lab have kept in it into `place`. Raises TargetError."""
        place.mkdir(parents=True, exist_ok=True)
        self._require("docker", "cp", f"{self.name}:{RESULTS}/.", str(place))

    def stop(self) -> None:
        """End all that runs in it."""
        _docker("stop", "--time=1", self.name)

    def remove(self) -> None:
        """With all that is in it."""
        _docker("rm", "--force", "--volumes", self.name)

    def _create(self) -> None:
        image = f"debian:{RELEASES[self.debian].suite}-slim"
        if _docker("image", "inspect", image).returncode:
            raise InputError(
                f"the image {image} is missing. As root: /usr/bin/python3 tools/base_image.py "
                f"{RELEASES[self.debian].suite}"
            )
        bundle = os.environ.get("CA_BUNDLE", CA_BUNDLE)
        # As on a machine: no filter of system calls, no bridge, no layered file system for data.
        like_a_machine = ("--network=host", "--security-opt=seccomp=unconfined", "--volume=/tmp")
        # For proxies that sign TLS anew: pip has a bundle of its own and does not look at the
        # system's.
        trust = ("--env=PIP_CERT=/run/ca-bundle.crt", f"--volume={bundle}:/run/ca-bundle.crt:ro")
        words = ("--init", f"--name={self.name}", *like_a_machine, *trust, image)
        self._require("docker", "create", *words, "sleep", "infinity")

    def _copy_code(self) -> None:
        """What Git knows of the working tree, and what is new in it; what a run that was ended
        left behind goes."""
        kept = " ".join(f"! -name {name}" for name in KEPT)
        self._require_within(
            f"mkdir -p {PROJECT} {RESULTS} && chown {ACCOUNT} {PROJECT} {RESULTS}"
            f" && find {PROJECT} -mindepth 1 -maxdepth 1 {kept} -exec rm -r {{}} +"
            " && rm -rf /tmp/load-* && chmod 1777 /tmp"
        )
        files = ["git", "-C", str(CHECKOUT), "ls-files", "-z", "--cached", "--others"]
        listed = subprocess.run([*files, "--exclude-standard"], capture_output=True, check=False)
        there = [name for name in listed.stdout.split(b"\0") if _is_there(name)]
        packed = subprocess.run(
            ["tar", f"--directory={CHECKOUT}", "--null", "--files-from=-", "--create"],
            input=b"\0".join(there),
            capture_output=True,
            check=False,
        )
        unpack = ("tar", "--extract", "--no-same-owner", f"--directory={PROJECT}")
        done = subprocess.run(
            self.command(*unpack), input=packed.stdout, capture_output=True, check=False
        )
        if listed.returncode or packed.returncode or done.returncode:
            said = listed.stderr + packed.stderr + done.stderr
            raise TargetError(f"{self.name}: the code cannot be copied: {said.decode()[-TAIL:]}")

    def _require_within(
        self, script: str, account: str = "root", directory: str = "/", **environment: str
    ) -> None:
        words = ("sh", "-c", script)
        command = self.command(
            *words, account=account, directory=directory, environment=environment
        )
        self._require(*command)

    def _require(self, *command: str) -> None:
        done = _run(command)
        if done.returncode:
            said = (done.stdout + done.stderr).strip()[-TAIL:]
            raise TargetError(f"{self.name}: {' '.join(command)[-200:]}: {said}")


def of(text: str) -> Container:
    """The container of the release that `text` names. Raises InputError."""
    if not text.isdigit() or int(text) not in RELEASES:
        raise InputError(f"{text}: no release of Debian that is known. Name {known('or')}.")
    require_engine()
    return Container(int(text))


def require_engine() -> None:
    """Raise InputError where no Docker engine answers."""
    if _docker("info", "--format", "{{.ServerVersion}}").returncode:
        raise InputError("no Docker engine answers. Run `make engine` as root.")


def _is_there(name: bytes) -> bool:
    return bool(name) and os.path.lexists(CHECKOUT / os.fsdecode(name))


def _docker(*words: str) -> subprocess.CompletedProcess[str]:
    return _run(("docker", *words))


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise InputError("docker is missing. Run `make engine` as root.") from None
