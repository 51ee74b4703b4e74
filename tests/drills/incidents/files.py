"""What files say or take: a certificate, a full disk, what root has found out on a host."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import get_args

from drills.incidents.scene import Scene, incident
from fixtures import certificates
from fixtures.host_plan import host_plan
from pgstack.planning import layout
from pgstack.planning.metrics import Fact, FactName, fact_file
from pgstack.planning.plan import Plan

HOUR = 3600


@incident("a certificate that ends in five days", "CertificateEnds", "CertificateEndsSoon")
def certificate_ends(scene: Scene) -> Iterator[None]:
    _show_certificate(scene, 5)
    try:
        yield
    finally:
        _show_certificate(scene, 90)


def _show_certificate(scene: Scene, days: int) -> None:
    certificates.valid(scene.certificates, "localhost", -1, days)
    assert scene.stack.manage("stack_local", "up").returncode == 0


@incident("a disk that a file fills to nine tenths", "DiskFills", longest=900)
def disk_fills(scene: Scene) -> Iterator[None]:
    filler = scene.disk / "filler"
    filler.write_bytes(b"\0" * (shutil.disk_usage(scene.disk).total * 9 // 10))
    try:
        yield
    finally:
        filler.unlink()


@incident(
    "files of a host that speak of a backup 40 hours ago, and a drill and a verify that failed",
    "BackupLate",
    "DrillLate",
    "VerifyFails",
    longest=1200,
)
def host_is_late(scene: Scene) -> Iterator[None]:
    find_out(scene.host, 40, passed=False)
    try:
        yield
    finally:
        find_out(scene.host, 0, passed=True)


def find_out(host: Plan, hours: float, *, passed: bool) -> None:
    """The files of the host, as root writes them (stackctl.facts)."""
    assert host.metrics
    text = Fact(moment=time.time() - hours * HOUR, passed=passed).model_dump_json()
    for name in get_args(FactName):
        fact_file(host.metrics, name).write_text(text)


@contextmanager
def host_exporter(place: Path) -> Iterator[Plan]:
    """The exporter of a host's plan, with what is only on hosts: no server runs, and none is asked.
    Its files are in this directory, and its socket is `metrics.sock` there."""
    part = {"socket": f"{place}/metrics.sock", "facts": str(place), "port": 0}
    host = host_plan(metrics=part).model_copy(update={"services": ()})
    find_out(host, 0, passed=True)
    plan = place / "plan.json"
    plan.write_text(host.model_dump_json())
    environment = {
        **os.environ,
        "STACK_PLAN": str(plan),
        "PYTHONPATH": str(layout.CHECKOUT / "app"),
    }
    command = [sys.executable, "-m", "pgstack.metrics"]
    with subprocess.Popen(command, env=environment) as exporter:
        try:
            yield host
        finally:
            exporter.terminate()
