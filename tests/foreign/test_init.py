"""`python -m pgstack init`: what it writes into a project, and that it can be taken back."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fixtures import foreign
from fixtures.local_stack import CHECKOUT

WHEEL = {"url": "file:///wheels/pgstack-0.1.0.whl", "archive_info": {"hashes": {"sha256": "ab12"}}}
REQUIREMENT = "pgstack @ file:///wheels/pgstack-0.1.0.whl#sha256=ab12"


def init(
    project: Path,
    *words: str,
    answer: str = "",
    origin: dict[str, Any] | None = WHEEL,
    installed: bool = True,
) -> subprocess.CompletedProcess[str]:
    """Run it where pip has noted that it installed pgstack from `origin`, or from a registry."""
    site = project.parent / "site"
    noted = site / "pgstack-0.1.0.dist-info"
    noted.mkdir(parents=True, exist_ok=True)
    (noted / "METADATA").write_text("Metadata-Version: 2.1\nName: pgstack\nVersion: 0.1.0\n")
    (noted / "direct_url.json").write_text(json.dumps(origin))
    if origin is None:
        (noted / "direct_url.json").unlink()
    command = [sys.executable, "-m", "pgstack", "init", *words]
    environment = {"PYTHONPATH": f"{CHECKOUT / 'app'}:{site if installed else ''}"}
    return subprocess.run(
        command,
        cwd=project,
        env=environment,
        input=answer,
        capture_output=True,
        text=True,
        check=False,
    )


def texts(project: Path) -> dict[str, str]:
    return {
        str(path.relative_to(project)): path.read_text()
        for path in project.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return foreign.make(tmp_path / "project")


def test_it_shows_the_difference_and_writes_after_a_yes(project: Path) -> None:
    before = texts(project)
    done = init(project, answer="y\n")
    assert done.returncode == 0, done.stderr
    assert "--- a/shop/settings.py\n+++ b/shop/settings.py\n" in done.stdout
    assert "+integrate(globals())\n" in done.stdout
    after = texts(project)
    assert after["shop/settings.py"].startswith(before["shop/settings.py"])
    assert after["requirements.txt"] == before["requirements.txt"] + f"{REQUIREMENT}\n"
    assert set(after) - set(before) == {".pgstack-init.json"}


@pytest.mark.parametrize("answer", ["n\n", "", "\n"])
def test_without_a_yes_nothing_is_written(project: Path, answer: str) -> None:
    before = texts(project)
    done = init(project, answer=answer)
    assert done.returncode == 1
    assert done.stdout.endswith("Nothing was written.\n")
    assert texts(project) == before


def test_a_second_time_there_is_nothing_to_do(project: Path) -> None:
    init(project, "--yes")
    before = texts(project)
    done = init(project, "--yes")
    assert (done.returncode, done.stdout) == (0, "Nothing to do: the lines are there.\n")
    assert texts(project) == before


def test_it_is_taken_back_to_the_byte(project: Path) -> None:
    before = texts(project)
    init(project, "--yes")
    done = init(project, "--undo", "--yes")
    assert done.returncode == 0, done.stderr
    assert "-integrate(globals())\n" in done.stdout
    assert texts(project) == before


def test_a_file_that_has_changed_since_is_not_touched(project: Path) -> None:
    init(project, "--yes")
    (project / "requirements.txt").write_text("wagtail\n")
    before = texts(project)
    done = init(project, "--undo", "--yes")
    assert done.returncode == 2
    assert (
        f"requirements.txt: it has changed since. Take the lines out by hand:\n{REQUIREMENT}"
        in done.stderr
    )
    assert texts(project) == before


def test_requirements_with_hashes_are_left_to_who_compiles_them(project: Path) -> None:
    (project / "requirements.txt").write_text("Django==5.2 --hash=sha256:00\n")
    done = init(project, "--yes")
    assert (
        f"requirements.txt has hashes: add {REQUIREMENT} to what it is compiled from."
        in done.stdout
    )
    assert (project / "requirements.txt").read_text() == "Django==5.2 --hash=sha256:00\n"


ORIGINS = {
    "a registry": (None, "pgstack==0.1.0"),
    "a directory": ({"url": "file:///srv/stack", "dir_info": {}}, "pgstack @ file:///srv/stack"),
    "Git": (
        {"url": "https://git.example/stack", "vcs_info": {"vcs": "git", "commit_id": "c0ffee"}},
        "pgstack @ git+https://git.example/stack@c0ffee",
    ),
}


@pytest.mark.parametrize("origin", ORIGINS)
def test_the_requirement_is_what_was_installed(project: Path, origin: str) -> None:
    noted, line = ORIGINS[origin]
    init(project, "--yes", origin=noted)
    assert (project / "requirements.txt").read_text().splitlines()[-1] == line


def test_from_a_checkout_no_requirement_is_written_that_anybody_could_fill(project: Path) -> None:
    before = (project / "requirements.txt").read_text()
    done = init(project, "--yes", installed=False)
    assert "runs from a checkout here, so requirements.txt was left alone" in done.stdout
    assert (project / "requirements.txt").read_text() == before


def test_another_settings_module_can_be_named(project: Path) -> None:
    (project / "shop/production.py").write_text("from shop.settings import *\n")
    init(project, "--yes", "--settings", "shop.production")
    assert (project / "shop/production.py").read_text().endswith("integrate(globals())\n")
    assert "integrate" not in (project / "shop/settings.py").read_text()


def test_what_is_no_project_is_refused(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    done = init(empty, "--yes")
    assert done.returncode == 2
    assert done.stderr == (
        f"{empty}: there is no manage.py in it. Set STACK_SETTINGS to the project's settings "
        f"module.\n"
    )
    assert list(empty.iterdir()) == []
    assert "nothing was written here" in init(empty, "--undo").stderr


def test_settings_with_the_lines_reach_the_plan_and_without_one_stay(project: Path) -> None:
    init(project, "--yes")
    code = (
        "from django.conf import settings; print(settings.DATABASES['default']['ENGINE'], "
        "settings.DEBUG)"
    )
    own = {"DJANGO_SETTINGS_MODULE": "shop.settings", "PYTHONPATH": f"{CHECKOUT / 'app'}"}
    without = subprocess.run(
        [sys.executable, "-c", code],
        cwd=project,
        env=own,
        capture_output=True,
        text=True,
        check=False,
    )
    assert without.stdout == "django.db.backends.postgresql True\n", without.stderr
    assert foreign.told(project, "-c", code).stdout == "pgstack.db False\n"
