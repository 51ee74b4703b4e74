"""What only root can find out on a host, from files that root writes there (stackctl.facts), and
which release serves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from pgstack.metrics.ages import BACKUP
from pgstack.metrics.model import Sample, gauge
from pgstack.planning.metrics import Fact, FactName, Metrics, fact_file
from pgstack.planning.plan import Plan

DRILL = gauge(
    "drill_timestamp_seconds", "When the last drills of a host ended, of rows and files: the older."
)
DRILL_PASSED = gauge("drill_passed", "1 if the last drills restored everything.")
VERIFY = gauge("verify_timestamp_seconds", "When a host was last compared with its plan.")
VERIFY_PASSED = gauge("verify_passed", "1 if the last comparison found the host as planned.")
RELEASE = gauge(
    "release_timestamp_seconds", "When a host began to serve its current release.", "release"
)


def collect(plan: Plan) -> Iterator[Sample]:
    """Samples of the facts that are known. Raises OSError, or ValueError for a damaged file."""
    if plan.metrics is None:
        return
    if backup := read(plan.metrics, "backup"):
        yield from BACKUP.of(backup.moment)
    if drill := read(plan.metrics, "drill"):
        yield from DRILL.of(drill.moment)
        yield from DRILL_PASSED.of(drill.passed)
    if verify := read(plan.metrics, "verify"):
        yield from VERIFY.of(verify.moment)
        yield from VERIFY_PASSED.of(verify.passed)
    with suppress(FileNotFoundError):  # before the first one
        link = Path(plan.paths.root, "current")
        yield from RELEASE.of(link.lstat().st_mtime, link.readlink().name)


def read(part: Metrics, name: FactName) -> Fact | None:
    """A fact; None until root has established it."""
    try:
        return Fact.model_validate_json(fact_file(part, name).read_bytes())
    except FileNotFoundError:
        return None
