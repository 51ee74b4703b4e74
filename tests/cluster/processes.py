"""Faults of a member's servers: stopped, gone, or slow to write."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from docker_engine import docker
from systemd_host import SystemdHost

ETCD, PATRONI = "stack-etcd.service", "stack-patroni.service"
WATCH = "stack-watch.timer"
"""has go on what a signal has stopped"""
KILL = "kill -9 $(head -1 /var/lib/postgresql/17/main/postmaster.pid)"
ATTACH_SECONDS = 5
GROUP, WRITES = Path("/sys/fs/cgroup/blkio/docker"), "blkio.throttle.write_iops_device"


@contextmanager
def stopped(hosts: Collection[SystemdHost], unit: str) -> Iterator[None]:
    """A unit of each is stopped, all at once, and started again."""
    for host in hosts:
        host.run("systemctl", "stop", "--no-block", unit)
    try:
        yield
    finally:
        for host in hosts:
            host.run("systemctl", "start", "--no-block", unit)


@contextmanager
def killed(hosts: Collection[SystemdHost], unit: str) -> Iterator[None]:
    """The same without a word: an etcd that is asked to end goes on deciding where no majority lets
    it hand over, until systemd kills it."""
    with stopped(hosts, unit):
        for host in hosts:
            host.run("systemctl", "kill", "--signal=SIGKILL", unit, check=False)
        for host in hosts:
            host.run("systemctl", "stop", unit)
            host.run("systemctl", "reset-failed", unit, check=False)  # else stack-watch starts it
        yield


@contextmanager
def halted(host: SystemdHost, unit: str) -> Iterator[None]:
    """A signal stops the first process of a unit; what would have it go on is told not to."""
    first = ("systemctl", "kill", "--kill-whom=main")
    host.run("systemctl", "stop", WATCH)
    host.run(*first, "--signal=SIGSTOP", unit)
    try:
        yield
    finally:
        host.run(*first, "--signal=SIGCONT", unit)
        host.run("systemctl", "start", WATCH)


def kill_postgres(host: SystemdHost) -> None:
    """Without a word to anybody."""
    host.run("sh", "-c", KILL)


@contextmanager
def slow_disk(hosts: Collection[SystemdHost], seconds: float) -> Iterator[None]:
    """etcd waits so much longer each time until its disk has what it wrote."""
    with ExitStack() as faults:
        for host in hosts:
            faults.enter_context(_slow(host, seconds))
        yield


@contextmanager
def _slow(host: SystemdHost, seconds: float) -> Iterator[None]:
    if os.geteuid() or shutil.which("strace") is None:
        pytest.skip("only root, with the package strace, can make a process wait for its disk")
    shown = docker("top", host.container, "-eo", "pid,comm").stdout.splitlines()
    (etcd,) = (line.split()[0] for line in shown if line.endswith(" etcd"))
    wait = f"inject=fdatasync:delay_enter={round(seconds * 1e6)}"
    words = ["strace", "-f", "-qq", "-p", etcd, "-e", "trace=fdatasync", "-e", wait]
    with subprocess.Popen([*words, "-o", "/dev/null"]) as process:
        time.sleep(1)
        assert process.poll() is None, "strace did not attach"
        try:
            yield
        finally:
            process.terminate()
            process.wait(ATTACH_SECONDS)


@contextmanager
def few_writes(hosts: Collection[SystemdHost], per_second: int) -> Iterator[None]:
    """The disk of each takes so many writes a second, of all its processes together."""
    if os.geteuid() or not GROUP.exists():
        pytest.skip("only root, with control groups of version 1, can slow down a host's disk")
    disk = Path(docker("info", "--format={{.DockerRootDir}}").stdout.strip()).stat().st_dev
    limits = [
        GROUP / docker("inspect", "--format={{.Id}}", host.container).stdout.strip() / WRITES
        for host in hosts
    ]
    try:
        for limit in limits:
            limit.write_text(f"{os.major(disk)}:{os.minor(disk)} {per_second}")
        yield
    finally:
        for limit in limits:
            limit.write_text(f"{os.major(disk)}:{os.minor(disk)} 0")
