"""What a host gets of stackctl, and when it is another than the one that it has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fixtures.host_plan import host_plan
from pgstack.targets.host import stackctl as programs

PAGE_SCRIPT = "pgstack/static/pgstack/uplot/uPlot.iife.min.js"
PLACE = "/usr/local/lib/stack"


def stackctl(**versions: str) -> dict[str, Any]:
    return programs.stackctl(host_plan(versions=versions).model_dump())


def test_another_python_takes_another_environment_and_the_same_code() -> None:
    before, after = stackctl(), stackctl(python="3.14")
    assert before["venv"] != after["venv"]
    assert before["code"] == after["code"]


@pytest.mark.parametrize(
    "name",
    [
        "stackctl/__main__.py",
        "pgstack/planning/plan.py",
        "pgstack/static/pgstack/page.html",
        PAGE_SCRIPT,
    ],
)
def test_code_comes_with_its_text_and_its_directory(name: str) -> None:
    installed = stackctl()
    files = {file["dest"]: file for file in programs.stackctl_files(installed, PLACE)}
    path = f"{PLACE}/{installed['code']}/{name}"
    assert files[path]["content"] == installed["texts"][name]
    assert list(files).index(str(Path(path).parent)) < list(files).index(path)
    assert {file.get("owner", "root") for file in files.values()} == {"root"}


def test_launchers_name_what_was_installed() -> None:
    installed = stackctl()
    files = {file["dest"]: file for file in programs.launchers(installed, PLACE)}
    for path in ("/usr/local/sbin/stackctl", "/usr/local/bin/stack-manage"):
        assert files[path]["content"].startswith(f"#!{PLACE}/{installed['venv']}/bin/python -I\n")
        assert f'sys.path.insert(0, "{PLACE}/{installed["code"]}")' in files[path]["content"]
        assert files[path]["mode"] == "0755"
