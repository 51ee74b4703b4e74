"""Each alert on a real stack with Debian's Prometheus: what it is for raises it, and the end of
that ends it; what is done every day raises none."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from drills.incidents import ALONE, INCIDENTS, TOGETHER
from drills.incidents.data import archive, archive_by
from drills.incidents.files import host_exporter
from drills.incidents.scene import PAGES, Incident, Scene
from fixtures import certificates
from fixtures.local_stack import CHECKOUT, started
from fixtures.machine import ext4
from fixtures.prometheus import RULES, Prometheus, watching
from pgstack.metrics import cluster_rules

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(2400),
    pytest.mark.filterwarnings("ignore:Unverified HTTPS request"),
]

DOCUMENTATION = CHECKOUT / "docs/alerts.md"
HEADING = "## What raises them\n"
PREFACE = """Each was provoked on the local target (Debian 12, two cores, beside other work) with Debian's Prometheus, which scraped
and evaluated every 15 s. Times count from when all of it had happened, and from when it was over. CertificateEndsSoon
and TransactionIdsAge were to wait for a minute, not an hour. BackupLate, DrillLate and VerifyFails, which only hosts have,
came from an exporter with a host's plan and the files that root writes there. As root, with `prometheus`
and `prometheus-node-exporter` on the path,

    GOLDEN=write .venv/bin/python -m pytest -n0 -m slow tests/drills/test_alerts_fire.py

repeats it and writes this table.

"""
TABLE = """| what happens | alert | fires after | ends after |
| --- | --- | --- | --- |
"""
ENDS_SECONDS = 780
"""in which an alert has ended: figures of ten minutes count until they are over"""
LOOKED_AT_SECONDS, DAY_SECONDS = 45, 150
"""after a change, three scrapes; after the last one for as long as the longest wait of a page that
a change could raise, and more"""
OLD, NEW = 'HttpResponse("slept")', 'HttpResponse("slept well")'
CHANGES = ("release", "rollback", "PostgreSQL restarted", "backup", "nothing")


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with ExitStack() as ends:
        places = [
            Path(ends.enter_context(tempfile.TemporaryDirectory(prefix=name, dir="/var/tmp")))
            for name in ("project-", "certificates-", "disk-", "backup-", "host-")
        ]
        for place in places:
            place.chmod(0o755)
        project, files, disk, backup, host = places
        for part in ("config", "demo"):
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(CHECKOUT / "app" / part, project / part, ignore=ignored)
        urls = project / "config/urls.py"
        urls.write_text(urls.read_text() + PAGES)
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
        planned = ends.enter_context(host_exporter(host))
        there = Scene(running, files, disk, planned)
        archive(there)
        archive_by(there, "true")
        yield there


@pytest.fixture(scope="module")
def prometheus(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    assert scene.host.metrics
    sockets = {
        "pgstack": scene.stack.directory / "run/metrics/metrics.sock",
        "host": Path(scene.host.metrics.socket),
    }
    with watching(sockets, tmp_path_factory.mktemp("prometheus")) as running:
        yield running


@pytest.fixture(scope="module")
def measured() -> Iterator[dict[str, str]]:
    """Rows of the table by incident; the page is written when all were run."""
    rows: dict[str, str] = {}
    yield rows
    table = TABLE + "".join(
        rows[incident.words] for incident in INCIDENTS if incident.words in rows
    )
    print(table)
    if os.environ.get("GOLDEN") == "write" and len(rows) == len(INCIDENTS):
        before = DOCUMENTATION.read_text().partition(HEADING)[0]
        DOCUMENTATION.write_text(f"{before}{HEADING}\n{PREFACE}{table}")


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_done_every_day_raises_none(
    scene: Scene, prometheus: Prometheus, change: str
) -> None:
    """With visitors, of whom none is to be lost."""
    with scene.crowd("db", 2, pause=0.3):
        _change(scene, change)
        until = time.monotonic() + (DAY_SECONDS if change == "nothing" else LOOKED_AT_SECONDS)
        while time.monotonic() < until:
            assert prometheus.firing() <= {"Watchdog"}
            time.sleep(3)
    assert prometheus.firing() == {"Watchdog"}


def _change(scene: Scene, change: str) -> None:
    urls = Path(scene.stack.inputs["STACK_PROJECT"], "config/urls.py")
    match change:
        case "release":
            urls.write_text(urls.read_text().replace(OLD, NEW))
            actions = [("release", {})]
        case "rollback":
            urls.write_text(urls.read_text().replace(NEW, OLD))
            actions = [("release", {})]
        case "PostgreSQL restarted":
            actions = [("reload", {"STACK_POOL_SIZE": "3"}), ("reload", {})]
        case "backup":
            actions = [("backup", {})]
        case _:
            actions = []
    for action, inputs in actions:
        done = scene.stack.manage("stack_local", action, **inputs)
        assert done.returncode == 0, done.stderr


@dataclass(frozen=True)
class Underway:
    """An incident that has begun."""

    incident: Incident
    holds: AbstractContextManager[None]

    @classmethod
    def of(cls, incident: Incident, scene: Scene) -> Underway:
        """Begin it."""
        holds = incident.provoke(scene)
        holds.__enter__()
        return cls(incident, holds)

    def rows(self, prometheus: Prometheus) -> str:
        """Those of the table, once its alerts have fired and, after its end, ended."""
        names, longest = set(self.incident.alerts), self.incident.longest
        try:
            fired = prometheus.seconds_until(names, longest, fire=True)
            assert fired.keys() == names, f"{self.incident.words}: {prometheus.firing()} fire"
        finally:
            self.holds.__exit__(None, None, None)
        ended = prometheus.seconds_until(names, ENDS_SECONDS, fire=False)
        assert ended.keys() == names, f"{self.incident.words}: {prometheus.firing()} do not end"
        print(self.incident.words, fired, ended, flush=True)
        return "".join(
            f"| {self.incident.words} | {name} | {fired[name]:.0f} s | {ended[name]:.0f} s |\n"
            for name in sorted(names)
        )


@pytest.mark.parametrize("incident", ALONE, ids=lambda incident: incident.words.replace(" ", "-"))
def test_alert_fires_and_ends(
    scene: Scene, prometheus: Prometheus, measured: dict[str, str], incident: Incident
) -> None:
    measured[incident.words] = Underway.of(incident, scene).rows(prometheus)
    scene.stack.wait_until(scene.stack.answers, 60)
    others = prometheus.firing() - {"Watchdog"}
    assert prometheus.seconds_until(others, ENDS_SECONDS, fire=False).keys() == others


def test_alerts_fire_and_end_beside_each_other(
    scene: Scene, prometheus: Prometheus, measured: dict[str, str]
) -> None:
    def follow(first: Underway, later: tuple[Incident, ...]) -> None:
        measured[first.incident.words] = first.rows(prometheus)
        for incident in later:
            measured[incident.words] = Underway.of(incident, scene).rows(prometheus)

    with ThreadPoolExecutor(len(TOGETHER)) as pool:
        rows = [
            pool.submit(follow, Underway.of(first, scene), tuple(later))
            for first, *later in TOGETHER
        ]
    for row in rows:
        row.result()
    scene.stack.wait_until(scene.stack.answers, 60)
    assert prometheus.firing() == {"Watchdog"}


def test_there_is_an_incident_for_each_alert() -> None:
    names = {rule["alert"] for rule in yaml.safe_load(RULES.read_text())["groups"][0]["rules"]}
    provoked = {alert for incident in INCIDENTS for alert in incident.alerts}
    # Those of a cluster have other hosts (docs/alerts.md says what raised them there).
    assert names - provoked == {"Watchdog", *(rule.name for rule in cluster_rules.RULES)}
