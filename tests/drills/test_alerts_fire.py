"""Each alert on a real stack with Debian's Prometheus: what it is for raises it, and the end of
that ends it; what is done every day raises none that wakes somebody."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from drills import incidents
from drills.incidents import INCIDENTS, Incident, Scene
from fixtures import certificates
from fixtures.local_stack import CHECKOUT, started
from fixtures.machine import ext4
from fixtures.prometheus import RULES, Prometheus, watching

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.filterwarnings("ignore:Unverified HTTPS request"),
]

DOCUMENTATION = CHECKOUT / "docs/alerts.md"
HEADING = "## What raises them\n"
TABLE = """| what happens | alert | fires after | ends after |
| --- | --- | --- | --- |
"""
ENDS_SECONDS = 420
"""in which an alert has ended: figures of five minutes count until they are over"""
LOOKED_AT_SECONDS = 90
"""after a change: six scrapes"""
PAGES = {
    rule["alert"]
    for rule in yaml.safe_load(RULES.read_text())["groups"][0]["rules"]
    if rule["labels"]["severity"] == "page"
}


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with ExitStack() as ends:
        places = [
            Path(ends.enter_context(tempfile.TemporaryDirectory(prefix=name, dir="/var/tmp")))
            for name in ("project-", "certificates-", "disk-", "backup-")
        ]
        for place in places:
            place.chmod(0o755)
        project, files, disk, backup = places
        for part in ("config", "demo"):
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(CHECKOUT / "app" / part, project / part, ignore=ignored)
        urls = project / "config/urls.py"
        urls.write_text(urls.read_text() + incidents.PAGES)
        certificates.valid(files, "localhost", -1, 90)
        ends.enter_context(ext4(disk))
        inputs = {
            "STACK_PROJECT": str(project),
            "STACK_SETTINGS": "config.settings",
            "STACK_COMMANDS": "seed",
            "STACK_POOL_SIZE": "2",
            "STACK_TLS": "files",
            "STACK_TLS_CERTIFICATE": str(files / "localhost.pem"),
            "STACK_TLS_KEY": str(files / "localhost.key"),
            "STACK_BACKUP": "local",
            "STACK_BACKUP_PATH": str(backup / "backups"),
            "XDG_CONFIG_HOME": str(backup / "config"),
        }
        running = ends.enter_context(started(**inputs))
        assert running.manage("stack_local", "backup").returncode == 0
        yield Scene(running, files, disk)


@pytest.fixture(scope="module")
def prometheus(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    socket = scene.stack.directory / "run/metrics/metrics.sock"
    with watching(socket, tmp_path_factory.mktemp("prometheus")) as running:
        yield running


@pytest.fixture(scope="module")
def measured() -> Iterator[dict[str, str]]:
    """Rows of the table by incident; the page is written when all were run."""
    rows: dict[str, str] = {}
    yield rows
    print(TABLE + "".join(rows.values()))
    if os.environ.get("GOLDEN") == "write" and len(rows) == len(INCIDENTS):
        before = DOCUMENTATION.read_text().partition(HEADING)[0]
        text = PREFACE + TABLE + "".join(rows.values())
        DOCUMENTATION.write_text(f"{before}{HEADING}\n{text}")


PREFACE = """Each was provoked on the local target (Debian 12, two cores, beside other work) with Debian's Prometheus, which scraped
and evaluated every 15 s; waits of an hour were made a minute. As root, with `prometheus` and `prometheus-node-exporter`
on the path,

    GOLDEN=write .venv/bin/python -m pytest -n0 -m slow tests/drills/test_alerts_fire.py

repeats it and writes this table.

"""


CHANGES: dict[str, tuple[str, ...]] = {
    "nothing": (),
    "release": ("release",),
    "PostgreSQL restarted": ("reload",),
    "backup": ("backup",),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_is_done_every_day_wakes_nobody(
    scene: Scene, prometheus: Prometheus, name: str
) -> None:
    words = CHANGES[name]
    inputs = {"STACK_POOL_SIZE": "3"} if name == "PostgreSQL restarted" else {}
    if words:
        done = scene.stack.manage("stack_local", *words, **inputs)
        assert done.returncode == 0, done.stderr
    until = time.monotonic() + LOOKED_AT_SECONDS
    while time.monotonic() < until:
        assert prometheus.firing() & PAGES == set()
        time.sleep(5)
    assert prometheus.firing() == {"Watchdog"}
    if inputs:
        assert scene.stack.manage("stack_local", "reload").returncode == 0


@pytest.mark.parametrize("incident", INCIDENTS, ids=lambda one: one.words.replace(" ", "-"))
def test_alert_fires_and_ends(
    scene: Scene, prometheus: Prometheus, measured: dict[str, str], incident: Incident
) -> None:
    expected = set(incident.alerts)
    with incident.provoke(scene):
        fired = prometheus.seconds_until(expected, incident.longest, fire=True)
        assert fired.keys() == expected, f"fire: {prometheus.firing()}"
        others = sorted(prometheus.firing() - expected - {"Watchdog"})
    ended = prometheus.seconds_until(expected | set(others), ENDS_SECONDS, fire=False)
    assert ended.keys() == expected | set(others), f"fire: {prometheus.firing()}"
    scene.stack.wait_until(scene.stack.answers, 60)
    print(incident.words, fired, ended, "also", others)
    measured[incident.words] = "".join(
        f"| {incident.words} | {name} | {fired[name]:.0f} s | {ended[name]:.0f} s |\n"
        for name in sorted(expected)
    )


def test_there_is_an_incident_for_each_alert() -> None:
    names = {rule["alert"] for rule in yaml.safe_load(RULES.read_text())["groups"][0]["rules"]}
    provoked = {alert for incident in INCIDENTS for alert in incident.alerts}
    assert names - provoked == {"Watchdog"}
