"""What a project says that it needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgstack import dependencies


def write(directory: Path, **files: str) -> Path:
    for name, text in files.items():
        path = directory / name.replace("__", "/").replace("_txt", ".txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return directory


def test_files_that_are_included_are_found_where_they_lie(tmp_path: Path) -> None:
    project = write(
        tmp_path / "p", requirements__live_txt="-r base.txt\n--constraint=../limits.txt\ngunicorn\n",
        requirements__base_txt="Django\n", limits_txt="Django<6\n",
    )  # fmt: skip
    entry = dependencies.collect(tmp_path / "copy", project, "requirements/live.txt")
    assert entry.read_text() == "-r requirements/live.txt\n"
    found = {str(path.relative_to(tmp_path / "copy")) for path in (tmp_path / "copy").rglob("*.txt")}
    assert found == {"all.txt", "limits.txt", "requirements/base.txt", "requirements/live.txt"}


def test_dependencies_of_a_pyproject_are_taken(tmp_path: Path) -> None:
    text = '[project]\nname = "shop"\nversion = "1"\ndependencies = ["Django>=5.2", "wagtail"]\n'
    (tmp_path / "pyproject.toml").write_text(text)
    assert dependencies.usual(tmp_path) == "pyproject.toml"
    assert dependencies.texts(tmp_path, "pyproject.toml") == {"pyproject.toml": "Django>=5.2\nwagtail\n"}


@pytest.mark.parametrize("line", ["pgstack", "pgstack>=0.1", "pgstack[operate]==0.1 ; python_version > '3'"])
def test_the_stack_brings_itself_and_is_not_asked_of_a_registry(tmp_path: Path, line: str) -> None:
    project = write(tmp_path, requirements_txt=f"Django\n{line}\npgstack-other\n")
    assert dependencies.texts(project, "requirements.txt") == {"requirements.txt": "Django\npgstack-other\n"}


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    project = write(tmp_path, requirements_txt="-r other.txt\n")
    with pytest.raises(dependencies.DependencyError, match=r"other\.txt: .*No such file"):
        dependencies.texts(project, "requirements.txt")


def test_another_requirement_is_another_environment(tmp_path: Path) -> None:
    ours = tmp_path / "ours.txt"
    ours.write_text("Django\n")
    one = dependencies.digest(ours, {"requirements.txt": "wagtail\n"})
    assert one != dependencies.digest(ours, {"requirements.txt": "wagtail<8\n"})
    assert one == dependencies.digest(ours, {"requirements.txt": "wagtail\n"})
