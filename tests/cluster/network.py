"""Faults of the network between hosts of a cluster: whoever receives a packet drops it, or has it
late, so that the sender is told nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from docker_engine import docker
from systemd_host import SystemdHost

LATE = Path(__file__).with_name("late_packets.py")
QUEUE = "1"
Ways = Collection[tuple[SystemdHost, SystemdHost]]
"""who sends, and who receives"""


def both(hosts: Collection[SystemdHost], others: Collection[SystemdHost]) -> Ways:
    """Every way between these and those."""
    return [*one_way(hosts, others), *one_way(others, hosts)]


def one_way(senders: Collection[SystemdHost], receivers: Collection[SystemdHost]) -> Ways:
    """Every way from these to those."""
    return [(sender, receiver) for sender in senders for receiver in receivers]


@contextmanager
def lost(ways: Ways, share: float = 1.0) -> Iterator[None]:
    """Packets on these ways are lost, or a share of them by chance."""
    chance = ["-m", "statistic", "--mode", "random", "--probability", str(share)]
    with ExitStack() as faults:
        for sender, receiver in ways:
            words = chance if share < 1 else []
            faults.enter_context(_rule(receiver, "-s", sender.address(), *words, "-j", "DROP"))
        yield


@contextmanager
def late(ways: Ways, seconds: float) -> Iterator[None]:
    """Packets on these ways arrive so much later."""
    with ExitStack() as faults:
        for receiver in {receiver.container: receiver for _, receiver in ways}.values():
            faults.enter_context(_queue(receiver, seconds))
        for sender, receiver in ways:
            words = ("-j", "NFQUEUE", "--queue-num", QUEUE)
            faults.enter_context(_rule(receiver, "-s", sender.address(), *words))
        yield


@contextmanager
def _rule(host: SystemdHost, *words: str) -> Iterator[None]:
    inside = within(host)
    rule = [*inside, "iptables", "--wait", "-t", "raw"]
    _run(*rule, "-I", "PREROUTING", *words)
    try:
        yield
    finally:
        if Path(inside[1].removeprefix("--net=")).exists():
            _run(*rule, "-D", "PREROUTING", *words)


@contextmanager
def _queue(host: SystemdHost, seconds: float) -> Iterator[None]:
    words = [*within(host), sys.executable, str(LATE), str(seconds), QUEUE]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield
        finally:
            process.kill()


def within(host: SystemdHost) -> list[str]:
    """Words before a command that runs on this machine and in the host's network."""
    if os.geteuid():
        pytest.skip("only root may change the network of a container")
    process = docker("inspect", "--format={{.State.Pid}}", host.container).stdout.strip()
    return ["nsenter", f"--net=/proc/{process}/ns/net"]


def _run(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.fail(f"{' '.join(words)}: {done.stderr.strip()}")
