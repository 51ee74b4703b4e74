"""The audit from the command line: outputs, accepted findings, baselines and exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fixtures.audit_command import APP, audit

HAZARDOUS = "def f(cursor):\n    cursor.execute('LISTEN jobs')\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "tasks.py").write_text(HAZARDOUS)
    return tmp_path


def test_a_finding_shows_its_place_its_line_why_and_what_to_do(project: Path) -> None:
    done = audit(project)
    assert (done.returncode, done.stderr) == (1, "")
    assert (
        "tasks.py\n      2  H019 error    `LISTEN`\n         cursor.execute('LISTEN jobs')\n"
        in done.stdout
    )
    assert "Nothing arrives" in done.stdout
    assert "→ LISTEN on the direct alias" in done.stdout
    assert "docs/hazards/H019.md" in done.stdout
    assert (
        "1 files: 1 errors, 0 warnings, 0 notices, 0 problems, 0 accepted, 0 in the baseline"
        in done.stdout
    )
    assert "Settings were not imported" in done.stdout


def test_json_names_everything_that_a_program_needs(project: Path) -> None:
    report = json.loads(audit(project, "--json").stdout)
    (finding,) = report["findings"]
    assert {key: finding[key] for key in ("hazard", "severity", "path", "line", "seen")} == {
        "hazard": "H019",
        "severity": "error",
        "path": "tasks.py",
        "line": 2,
        "seen": "LISTEN jobs",
    }
    assert (report["version"], report["files"], report["problems"]) == (1, 1, [])


@pytest.mark.parametrize(
    ("sql", "threshold", "status"),
    [
        ("LISTEN jobs", "error", 1),
        ("LISTEN jobs", "never", 0),
        ("DISCARD ALL", "error", 0),
        ("DISCARD ALL", "warning", 1),
        ("CREATE INDEX CONCURRENTLY i ON t (a)", "warning", 0),
        ("CREATE INDEX CONCURRENTLY i ON t (a)", "notice", 1),
        ("SELECT 1", "notice", 0),
    ],
)
def test_the_exit_status_follows_the_severity(
    tmp_path: Path, sql: str, threshold: str, status: int
) -> None:
    (tmp_path / "tasks.py").write_text(f"def f(cursor):\n    cursor.execute('{sql}')\n")
    assert audit(tmp_path, "--fail-on", threshold).returncode == status


@pytest.mark.parametrize(
    "text",
    [
        (
            "def f(c):\n    c.execute('LISTEN jobs')  # stack: allow H019 this worker has a pool in "
            "session mode\n"
        ),
        (
            "def f(c):\n    # stack: allow H019, H012 see below\n    # and more\n    "
            "c.execute('LISTEN a; SET ROLE b')\n"
        ),
    ],
)
def test_a_comment_with_a_reason_accepts_a_finding(tmp_path: Path, text: str) -> None:
    (tmp_path / "tasks.py").write_text(text)
    done = audit(tmp_path, "--fail-on", "notice", "--json")
    report = json.loads(done.stdout)
    assert (done.returncode, report["findings"], report["problems"]) == (0, [], [])
    assert report["accepted"][0]["reason"] in (
        "this worker has a pool in session mode",
        "see below",
    )


@pytest.mark.parametrize(
    ("comment", "problem"),
    [
        ("# stack: allow H019", "accepts H019 without a reason: write it after the number"),
        ("# stack: allow H999 why", "accepts H999, which is not a hazard"),
        ("# stack: allow H020 why", "accepts H020, which is not found there: delete the comment"),
        ("# stack: allow because", "accepts nothing: write `stack: allow H012 reason`"),
    ],
)
def test_a_comment_that_accepts_nothing_is_a_problem(
    tmp_path: Path, comment: str, problem: str
) -> None:
    (tmp_path / "tasks.py").write_text(HAZARDOUS.rstrip() + f"  {comment}\n")
    report = json.loads(audit(tmp_path, "--json").stdout)
    assert [finding["hazard"] for finding in report["findings"]] == ["H019"]
    assert report["problems"] == [
        {"path": "tasks.py", "line": 2, "text": problem, "severity": "warning"}
    ]


def test_a_string_that_speaks_of_accepting_accepts_nothing(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text('"""Write # stack: allow H019 reason."""\n')
    assert json.loads(audit(tmp_path, "--json").stdout)["problems"] == []


def test_a_baseline_leaves_out_what_was_there_and_survives_that_it_moves(project: Path) -> None:
    assert audit(project, "--write-baseline", "known.json").returncode == 0
    (project / "tasks.py").write_text("\n\n" + HAZARDOUS)
    done = audit(project, "--baseline", "known.json")
    assert done.returncode == 0
    assert "1 in the baseline" in done.stdout
    (project / "tasks.py").write_text(HAZARDOUS + HAZARDOUS)
    done = audit(project, "--baseline", "known.json", "--json")
    assert done.returncode == 1
    assert [finding["line"] for finding in json.loads(done.stdout)["findings"]] == [4]


def test_sarif_names_rule_place_and_level_and_keeps_what_was_accepted(project: Path) -> None:
    (project / "more.py").write_text(HAZARDOUS.rstrip() + "  # stack: allow H019 on purpose\n")
    (project / "broken.py").write_text("def (\n")
    audit(project, "--sarif", "report.sarif")
    log = json.loads((project / "report.sarif").read_text())
    (run,) = log["runs"]
    assert log["version"] == "2.1.0"
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["H019"]
    results = {
        result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]: result
        for result in run["results"]
    }
    assert results["tasks.py"]["level"] == "error"
    assert results["tasks.py"]["locations"][0]["physicalLocation"]["region"] == {"startLine": 2}
    assert results["more.py"]["suppressions"] == [
        {"kind": "inSource", "justification": "on purpose"}
    ]
    (notification,) = run["invocations"][0]["toolExecutionNotifications"]
    assert notification["message"]["text"] == "not read: invalid syntax"


def test_what_cannot_be_read_is_reported(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("def (\n")
    (tmp_path / "binary.sql").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "big.sql").write_bytes(b"-" * (4 * 1024**2 + 1))
    done = audit(tmp_path, "--json", "--fail-on", "warning")
    texts = {problem["path"]: problem["text"] for problem in json.loads(done.stdout)["problems"]}
    assert done.returncode == 1
    assert texts["broken.py"] == "not read: invalid syntax"
    assert texts["big.sql"] == "not read: larger than 4 MB"
    assert "can't decode byte 0xff" in texts["binary.sql"]


def test_tests_and_environments_are_left_out_unless_they_are_named(project: Path) -> None:
    for name in (
        "tests/test_a.py",
        "test_b.py",
        "venv/c.py",
        ".hidden/d.py",
        "node_modules/e.py",
        "own/lib/f.py",
    ):
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(HAZARDOUS)
    (project / "own" / "pyvenv.cfg").write_text("")
    paths = [finding["path"] for finding in json.loads(audit(project, "--json").stdout)["findings"]]
    assert paths == ["tasks.py"]
    paths = [
        finding["path"]
        for finding in json.loads(audit(project, "--json", "--tests").stdout)["findings"]
    ]
    assert paths == ["tasks.py", "test_b.py", "tests/test_a.py"]
    paths = [
        finding["path"]
        for finding in json.loads(audit(project, "--json", "tests/test_a.py").stdout)["findings"]
    ]
    assert paths == ["tests/test_a.py"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere: there is no such file or directory to audit"),
        (["--baseline", "tasks.py"], "tasks.py is not a baseline"),
        (["--explain", "H999"], "H999 is not a hazard: they are H001 to H049"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    project: Path, arguments: list[str], message: str
) -> None:
    done = audit(project, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_missing_parser_is_one_line_that_names_the_package(project: Path) -> None:
    (project / "sitecustomize.py").write_text(
        "import importlib.util as util\nfind = util.find_spec\n"
        "util.find_spec = lambda name, *rest: None if name == 'pgparse' else find(name, *rest)\n"
    )
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{project}:{APP}"}
    command = [sys.executable, "-m", "pgstack.audit", "tasks.py"]
    done = subprocess.run(
        command,
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert (
        done.stderr
        == "stack_audit needs PostgreSQL's parser, which is not installed: pip install pgparse\n"
    )


def test_a_hazard_can_be_explained(project: Path) -> None:
    done = audit(project, "--explain", "h020")
    assert done.returncode == 0
    assert done.stdout.startswith(
        "H020 Advisory locks of the session\n\nThe unlock goes to another backend"
    )


def test_many_files_are_read_by_several_processes_with_the_same_outcome(project: Path) -> None:
    for number in range(100):
        (project / f"task{number:03d}.py").write_text(HAZARDOUS)
    report = json.loads(audit(project, "--json").stdout)
    assert (report["files"], len(report["findings"])) == (101, 101)
    assert report["findings"][0]["path"] == "task000.py"


def test_without_rich_one_line_names_it(project: Path) -> None:
    (project / "sitecustomize.py").write_text(
        "import importlib.util as util\nfind = util.find_spec\n"
        "util.find_spec = lambda name, *rest: None if name == 'rich' else find(name, *rest)\n"
    )
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{project}:{APP}"}
    command = [sys.executable, "-m", "pgstack.audit", "tasks.py"]
    done = subprocess.run(
        command, cwd=project, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "stack_audit needs rich, which is not installed: pip install rich\n"
