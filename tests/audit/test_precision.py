"""Precision and recall of the audit on real packages, against a list that was checked by hand.

`checked.csv` holds every finding in the packages of `packages.txt` with a verdict: `true`, `false`
for a false alarm, `missed` for a hazard that was found by searching the sources in another way and
that the audit does not find. A finding that is not in the list fails the test: read the code, and
give it a verdict.
"""

from __future__ import annotations

import csv
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from pgstack.audit import discover, run

HERE = Path(__file__).parent
GOAL = 0.9
"""of precision and of recall"""

Place = tuple[str, str, int, str]
"""package, path, line, hazard"""


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the sources of each package below its name. Nothing of them is run."""
    wheels, sources = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("sources")
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--only-binary=:all:",
        "--require-hashes",
    ]
    command += [
        "--ignore-requires-python",
        "--dest",
        str(wheels),
        "--requirement",
        str(HERE / "packages.txt"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=400)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["pip failed"])[-1]
        pytest.skip(
            f"the packages of tests/audit/packages.txt cannot be had: {last}. Set PIP_INDEX_URL to "
            f"a registry"
        )
    for wheel in wheels.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(sources / wheel.name.split("-")[0])
    return sources


def verdicts() -> dict[Place, str]:
    with (HERE / "checked.csv").open(newline="") as file:
        return {
            (row["package"], row["path"], int(row["line"]), row["hazard"]): row["verdict"]
            for row in csv.DictReader(file)
        }


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_precision_and_recall_reach_the_goal(
    packages: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = run.audit(discover.files([packages]), packages)
    findings = {
        (*finding.path.split("/", 1), finding.line, finding.hazard) for finding in report.findings
    }
    known = verdicts()
    expected = {place for place, verdict in known.items() if verdict != "missed"}
    assert sorted(findings - set(known)) == [], (
        "new findings: read the code and give them a verdict in checked.csv"
    )
    true = sum(known[place] == "true" for place in findings)
    missed = sum(verdict != "false" and place not in findings for place, verdict in known.items())
    precision, recall = true / len(findings), true / (true + missed)
    with capsys.disabled():
        print(
            f"\n{report.files} files, {len(findings)} findings: precision {precision:.3f}, recall "
            f"{recall:.3f}"
        )
    assert min(precision, recall) >= GOAL
    assert sorted(expected - findings) == [], "no longer found"


def test_the_list_speaks_of_many_packages_and_hazards() -> None:
    known = verdicts()
    assert len({place[0] for place in known}) >= 20
    assert len({place[3] for place in known}) >= 15
    assert set(known.values()) == {"true", "false", "missed"}
