"""Servers that hang, or start again and again."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil

from drills.incidents.scene import Scene, incident


@contextmanager
def _halted(scene: Scene, program: str) -> Iterator[None]:
    """Stopped by a signal, with the guard that would have it go on."""
    halted = [pid for name in ("guard", program) for pid in _family(int(scene.stack.pid(name)))]
    for pid in halted:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in reversed(halted):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def _family(pid: int) -> list[int]:
    with suppress(psutil.NoSuchProcess):
        return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
    return []


@incident("Apache hangs (SIGSTOP)", "SiteDown")
def apache_hangs(scene: Scene) -> Iterator[None]:
    with _halted(scene, "apache"):
        yield


@incident("the exporter hangs (SIGSTOP)", "ExporterSilent")
def exporter_hangs(scene: Scene) -> Iterator[None]:
    with _halted(scene, "metrics"):
        yield


@incident("PostgreSQL hangs (SIGSTOP)", "PostgreSQLDown", "SiteDown")
def postgresql_hangs(scene: Scene) -> Iterator[None]:
    with _halted(scene, "postgres"):
        yield


@incident("PgBouncer hangs (SIGSTOP)", "PgBouncerDown", "SiteDown")
def pgbouncer_hangs(scene: Scene) -> Iterator[None]:
    with _halted(scene, "pgbouncer"):
        yield


@incident("PostgreSQL killed five times, each 20 s after it had come back", "ServerRestarts")
def restarts(scene: Scene) -> Iterator[None]:
    for _ in range(5):
        scene.stack.wait_until(scene.stack.answers, 60)
        time.sleep(20)
        with suppress(ProcessLookupError):
            os.kill(int(scene.stack.pid("postgres")), signal.SIGQUIT)
    scene.stack.wait_until(scene.stack.answers, 60)
    yield
