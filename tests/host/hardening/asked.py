"""What the tests of this directory ask of their host."""

from __future__ import annotations

import subprocess
import time

from systemd_host import SystemdHost


def run(host: SystemdHost, playbook: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A run that succeeds."""
    done = host.play(playbook, *arguments)
    assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-2000:]}"
    return done


def said(host: SystemdHost, *command: str) -> str:
    """What a command of the host prints."""
    return host.run(*command).stdout.strip()


def wait(condition: object, seconds: float) -> bool:
    """Whether `condition` came true in time."""
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.5)
    return True
