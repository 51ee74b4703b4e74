"""A real Debian host under systemd, in a container that is reached by SSH as any server is."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import docker_engine
import entering
import pytest
from docker_engine import docker
from host_image import CHECKOUT, image

from fixtures import steady_load

Done = TypeVar("Done")
CA_BUNDLE = os.environ.get("CA_BUNDLE", "/etc/ssl/certs/ca-certificates.crt")
TRUSTED = "/etc/ca-bundle.crt"
LEFT_BY_TIME = re.compile(
    r"(/root|/home/[^/]+)(/\.ansible.*)?$|/var/log($|/)|/var/lib/(wtmpdb|lastlog|postgresql/\d+/main/(pg_wal|global)($|/))"
)
NAME = "host.json"
"""which container it is, in the host's directory"""
READY = "/run/ready"
"""a file on the host, as old as the moment when it was ready for a first run"""
MOUNTED = frozenset({"/run", "/tmp"})
"""other file systems, which are empty after a boot"""
LIFETIME_SECONDS = 2400 + round(60 * float(os.environ.get("DRILL_MINUTES", "0")))
"""The container ends by itself after this time, also when the tests were killed."""
LIFETIME = "test-lifetime"
"""unit of that end"""
BOOT_SECONDS = 60
RUN = (
    "--cap-add=SYS_ADMIN",
    "--cap-add=NET_ADMIN",
    "--cap-add=SYS_PTRACE",
    "--security-opt=seccomp=unconfined",
    "--cgroupns=private",
    "--tmpfs=/run",
    "--tmpfs=/run/lock",
    "--tmpfs=/tmp",
    "--env=container=docker",
    "--memory=2g",
    "--memory-swap=2g",
    "--pids-limit=8192",
    "--stop-signal=SIGRTMIN+3",  # shut down, to systemd
)
BOOT = """\
for part in memory systemd; do mount -o remount,bind,rw /sys/fs/cgroup/$part; done 2> /dev/null
exec /sbin/init SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1"""
INIT = ("sh", "-c", BOOT)
"""systemd 257 does not run on version 1 of control groups without being told to; there an engine
makes them read-only, and no limit of memory would act"""
INPUTS: dict[str, Any] = {
    "address": "*",
    "port": 80,
    "hosts": ["shop.example"],
    "cores": 2,
    "memory": "2g",
}


@dataclass(frozen=True)
class SystemdHost:
    """One host, and the directory with its inventory and key."""

    suite: str
    container: str
    directory: Path

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """A command on the host, past SSH."""
        done = entering.run(self.container, *command)
        if check and done.returncode:
            pytest.fail(f"{self.container[:12]} {' '.join(command[:3])}: {done.stderr.strip()}")
        return done

    def play(
        self, playbook: str, *arguments: str, **variables: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run a playbook as a user would, with the variables of the inventory and these."""
        extra = ("--extra-vars", json.dumps(variables)) if variables else ()
        command = [
            Path(sys.executable).with_name("ansible-playbook"),
            "-i",
            self.directory / "inventory.json",
        ]
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")
        }
        environment |= {
            "ANSIBLE_CONFIG": str(CHECKOUT / "ansible/ansible.cfg"),
            "ANSIBLE_HOME": str(self.directory / "home"),
            "ANSIBLE_NOCOLOR": "1",
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_LOCAL_TEMP": str(self.directory / "tmp"),
        }
        return subprocess.run(
            [*command, playbook, *arguments, *extra],
            cwd=CHECKOUT / "ansible",
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def played(
        self, playbook: str, *arguments: str, **variables: Any
    ) -> subprocess.CompletedProcess[str]:
        """The same, and it has to work."""
        done = self.play(playbook, *arguments, **variables)
        assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-2000:]}"
        return done

    def port(self, inside: int) -> int:
        """Port on 127.0.0.1 that leads to the host's."""
        return int(docker("port", self.container, str(inside)).stdout.split(":")[-1])

    def address(self) -> str:
        """Its own address, past the ports that are published."""
        return docker_engine.address(self.container)

    @property
    def url(self) -> str:
        """Where the site is, from outside of the host."""
        return f"http://127.0.0.1:{self.port(80)}"

    @property
    def name(self) -> str:
        """Of the site."""
        return str(INPUTS["hosts"][0])

    def page(self, path: str = "/") -> str:
        """Body of a page of the site; fails on any status but 200."""
        request = urllib.request.Request(self.url + path, headers={"Host": self.name})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return str(answer.read().decode())

    def under_load(
        self,
        change: Callable[[], Done],
        scheme: str = "http",
        page: str = "",
        name: str = "",
        most: int = 0,
    ) -> Done:
        """Make a change under a steady load from within the host's network, where no proxy of the
        engine is in between.

        Fails when a request or an acknowledged write was lost. `page` is asked alone; the site is
        asked by `name`, or its own, no more than `most` times a second, if that is given.
        """
        name = name or self.name
        if os.geteuid():
            port = self.port(443 if scheme == "https" else 80)
            url = f"{scheme}://127.0.0.1:{port}"
            return steady_load.under_load(url, name, change, page=page, most=most)
        process = docker("inspect", "--format={{.State.Pid}}", self.container).stdout.strip()
        within = ("nsenter", f"--net=/proc/{process}/ns/net")
        return steady_load.under_load(
            f"{scheme}://127.0.0.1", name, change, within, page, most=most
        )

    def reboot(self) -> None:
        """Stop everything as a shutdown does, and boot again."""
        docker("restart", "--time=60", self.container)
        self.wait()
        self.limit()
        self.write_inventory()

    def wait(self) -> None:
        """Until systemd has started what it starts."""
        deadline = time.monotonic() + BOOT_SECONDS
        while (
            state := self.run("systemctl", "is-system-running", check=False).stdout.strip()
        ) not in {
            "running",
            "degraded",
        }:
            if time.monotonic() > deadline:
                pytest.fail(f"{self.suite} does not boot: {state or 'no answer'}\n{self.failed()}")
            time.sleep(0.3)

    def limit(self) -> None:
        """End by itself after a time from now, until the next boot."""
        self.run("systemctl", "stop", f"{LIFETIME}.timer", check=False)
        later = (f"--unit={LIFETIME}", f"--on-active={LIFETIME_SECONDS}")
        self.run("systemd-run", "--quiet", *later, "systemctl", "poweroff")

    def failed(self) -> str:
        """Units that failed."""
        return self.run(
            "systemctl", "list-units", "--failed", "--plain", "--no-legend", check=False
        ).stdout

    def releases(self) -> str:
        """Which release serves, and the one before it."""
        status = self.run("stackctl", "status", check=False).stdout
        (line,) = re.findall("^release +(.*)", status, re.MULTILINE)
        return str(line)

    def now(self) -> str:
        """Its time, in seconds since 1970."""
        return self.run("date", "+%s.%N").stdout.strip()

    def ready(self) -> str:
        """When it was ready for a first run, as `now`."""
        return self.run("stat", "--format=%.9Y", READY).stdout.strip()

    def changed_since(self, time: str) -> list[str]:
        """What has changed on its disk, but for what every login and every checkpoint leaves."""
        paths = self.run("find", "/", "-xdev", "-newerct", f"@{time}", "-print").stdout.splitlines()
        return [path for path in paths if path not in MOUNTED and not LEFT_BY_TIME.match(path)]

    def write_inventory(self) -> None:
        """What Ansible is told of the host."""
        inventory = {"stack": {"hosts": {"shop": {**self.variables(), "stack_inputs": INPUTS}}}}
        (self.directory / "inventory.json").write_text(json.dumps(inventory))

    def variables(self) -> dict[str, Any]:
        """How Ansible reaches the host, and how the host reaches packages."""
        return {
            "ansible_host": "127.0.0.1",
            "ansible_port": self.port(22),
            "ansible_user": "root",
            "ansible_ssh_private_key_file": str(self.directory / "key"),
            "ansible_ssh_common_args": "-o StrictHostKeyChecking=no -o "
            "UserKnownHostsFile=/dev/null -o LogLevel=ERROR",
            "app_environment": {"PIP_CERT": TRUSTED},
        }


def changed(done: subprocess.CompletedProcess[str]) -> int:
    """Tasks of a run that changed something."""
    return sum(int(count) for count in re.findall(r"changed=(\d+)", done.stdout))


@contextmanager
def systemd_host(suite: str, directory: Path, *options: str) -> Iterator[SystemdHost]:
    """A host that has just been booted for the first time; removed at the end whatever happens.

    `options` are more words for `docker run`.
    """
    try:
        yield start(suite, directory, *options)
    finally:
        stop(directory)


def start(suite: str, directory: Path, *options: str, disk: str | None = None) -> SystemdHost:
    """Boot a host with its key and inventory in `directory`; `stop` removes it, booted or not.

    For the first time, unless the image `disk` is that of one that has been.
    """
    if shutil.which("ssh-keygen") is None:
        pytest.skip("ssh is missing; install the package openssh-client")
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(directory / "key")],
        check=True,
        capture_output=True,
    )
    ports = ("--publish=127.0.0.1::22", "--publish=127.0.0.1::80")
    trust = f"--volume={CA_BUNDLE}:{TRUSTED}:ro"
    started = docker(
        "run",
        "--detach",
        "--hostname=shop",
        *RUN,
        *ports,
        trust,
        *options,
        disk or image(suite),
        *INIT,
    )
    host = SystemdHost(suite, started.stdout.strip(), directory)
    (directory / NAME).write_text(json.dumps({"suite": suite, "container": host.container}))
    host.wait()
    host.run("install", "-d", "-m", "0700", "/root/.ssh")
    key = (directory / "key.pub").read_text()
    docker("exec", "-i", host.container, "sh", "-c", "cat > /root/.ssh/authorized_keys", text=key)
    host.limit()
    host.write_inventory()
    host.run("touch", READY)
    return host


def running(directory: Path) -> SystemdHost:
    """The host that was started with this directory. Fails when there is none."""
    try:
        named = json.loads((directory / NAME).read_text())
    except FileNotFoundError:
        pytest.fail("there is no host; create one: molecule create -s trixie")
    return SystemdHost(named["suite"], named["container"], directory)


def stop(directory: Path) -> None:
    """Remove the host that was started with this directory, if there is one."""
    if (directory / NAME).exists():
        docker("rm", "--force", running(directory).container, check=False)
        (directory / NAME).unlink()
