"""What workers of a host do, by what each of their processes notes."""

from __future__ import annotations

import time

from systemd_host import SystemdHost

MEDIA = "/var/lib/stack-media"


def notes(host: SystemdHost) -> dict[str, list[str]]:
    """What each process has noted so far."""
    told: dict[str, list[str]] = {}
    for line in host.run(
        "sh", "-c", f"cd {MEDIA} && grep -sH '' worker-* || true"
    ).stdout.splitlines():
        name, _, text = line.partition(":")
        told.setdefault(name, []).append(text)
    return told


def units(host: SystemdHost) -> list[str]:
    words = ("--plain", "--no-legend", "--state=active", "stack-worker-*")
    told = host.run("systemctl", "list-units", *words).stdout
    return sorted(line.split()[0] for line in told.splitlines())


def at_work(host: SystemdHost, processes: int = 2) -> set[str]:
    """Names of the notes of those that work now, each of which has begun a task."""
    deadline = time.monotonic() + 60
    while True:
        shown = host.run("systemctl", "show", "--property=InvocationID", "--value", *units(host))
        own = tuple(shown.stdout.split())
        names = {
            name
            for name, lines in notes(host).items()
            if own and name.endswith(own) and "begun 1" in lines
        }
        if len(names) == processes:
            return names
        assert time.monotonic() < deadline, (names, own)
        time.sleep(0.3)
