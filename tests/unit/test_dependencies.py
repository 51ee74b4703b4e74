"""What a project says that it needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgstack.planning import dependencies


def write(directory: Path, **files: str) -> Path:
    for name, text in files.items():
        path = directory / name.replace("__", "/").replace("_txt", ".txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return directory


def test_files_that_are_included_are_found_where_they_lie(tmp_path: Path) -> None:
    project = write(
        tmp_path / "p",
        requirements__live_txt="-r base.txt\n--constraint=../limits.txt\ngunicorn\n",
        requirements__base_txt="Django\n",
        limits_txt="Django<6\n",
    )
    entry = dependencies.collect(tmp_path / "copy", project, "requirements/live.txt")
    assert entry.read_text() == "-r requirements/live.txt\n"
    paths = {
        str(path.relative_to(tmp_path / "copy")) for path in (tmp_path / "copy").rglob("*.txt")
    }
    assert paths == {"all.txt", "limits.txt", "requirements/base.txt", "requirements/live.txt"}


def test_dependencies_of_a_pyproject_are_taken(tmp_path: Path) -> None:
    text = '[project]\nname = "shop"\nversion = "1"\ndependencies = ["Django>=5.2", "wagtail"]\n'
    (tmp_path / "pyproject.toml").write_text(text)
    assert dependencies.usual(tmp_path) == "pyproject.toml"
    assert dependencies.texts(tmp_path, "pyproject.toml") == {
        "pyproject.toml": "Django>=5.2\nwagtail\n"
    }


@pytest.mark.parametrize(
    "line", ["pgstack", "pgstack>=0.1", "pgstack[operate]==0.1 ; python_version > '3'"]
)
def test_the_stack_brings_itself_and_is_not_asked_of_a_registry(tmp_path: Path, line: str) -> None:
    project = write(tmp_path, requirements_txt=f"Django\n{line}\npgstack-other\n")
    assert dependencies.texts(project, "requirements.txt") == {
        "requirements.txt": "Django\npgstack-other\n"
    }


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    project = write(tmp_path, requirements_txt="-r other.txt\n")
    with pytest.raises(dependencies.DependencyError, match=r"other\.txt: .*No such file"):
        dependencies.texts(project, "requirements.txt")


def test_another_requirement_is_another_environment(tmp_path: Path) -> None:
    ours = tmp_path / "ours.txt"
    ours.write_text("Django\n")
    wagtail = dependencies.digest(ours, {"requirements.txt": "wagtail\n"})
    assert wagtail != dependencies.digest(ours, {"requirements.txt": "wagtail<8\n"})
    assert wagtail == dependencies.digest(ours, {"requirements.txt": "wagtail\n"})


INDEXED = """
-r base.txt  # what pages need
--index-url https://index.example/simple
Django[argon2] >=5.2,<6 ; python_version > "3.11"
sqlparse==0.5.1 \\
    --hash=sha256:aa
zope.interface
celery!=5.4#1
"""
ELSEWHERE = (
    "-e .",
    "--find-links=wheels",
    ".",
    "./libs/shop",
    "libs/shop",
    "shop-1.0-py3-none-any.whl",
    "shop.tar.gz[web] ; python_version > '3'",
    "shop @ git+https://git.example/shop.git@main",
    "git+https://git.example/shop.git",
    "https://shop.example/shop-1.0.zip",
)


def test_what_an_index_has_is_decided_by_the_files_that_name_it() -> None:
    assert dependencies.from_index({"all.txt": INDEXED, "base.txt": "Django\n"})


@pytest.mark.parametrize("line", ELSEWHERE)
def test_what_lies_elsewhere_may_change_while_its_line_stays(line: str) -> None:
    assert not dependencies.from_index({"all.txt": f"Django\n{line}\n"})


def test_a_complete_environment_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "venv").mkdir()
    (tmp_path / "venv/complete").touch()
    dependencies.install(tmp_path / "venv", tmp_path / "no.txt", tmp_path, "")
    assert [path.name for path in (tmp_path / "venv").iterdir()] == ["complete"]


BACKEND = {
    "metadata": "def get_requires_for_build_wheel(config=None):\n    raise RuntimeError('no "
    "compiler here')\n",
    "wheel": "def prepare_metadata_for_build_wheel(directory, config=None):\n    import pathlib\n"
    "    at = pathlib.Path(directory, 'bad-1.dist-info')\n    at.mkdir()\n"
    "    (at / 'METADATA').write_text('Metadata-Version: 2.1\\nName: bad\\nVersion: 1\\n')\n    "
    "return at.name\n\n"
    "def build_wheel(directory, config=None, metadata=None):\n    raise RuntimeError('no compiler "
    "here')\n",
}


@pytest.mark.parametrize("step", ["metadata", pytest.param("wheel", marks=pytest.mark.slow)])
def test_a_package_that_would_not_build_is_named_with_what_its_build_said(
    tmp_path: Path, step: str
) -> None:
    project = write(tmp_path / "p", requirements_txt="./bad\n")
    system = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    write(project / "bad", **{"pyproject.toml": system, "backend.py": BACKEND[step]})
    (tmp_path / "ours.txt").touch()
    with pytest.raises(dependencies.DependencyError) as failed:
        dependencies.install(tmp_path / "venv", tmp_path / "ours.txt", project, "requirements.txt")
    lines = str(failed.value).splitlines()
    assert lines[0].endswith(("bad would not build:", "./bad would not build:"))
    assert lines[-2:] == [
        "RuntimeError: no compiler here",
        "Fix the requirements, or try again.",
    ]


def test_what_pip_says_itself_is_told_without_its_advice() -> None:
    said = (
        "Collecting x\nERROR: Could not find a version that satisfies the requirement x (from "
        "versions: none)\n"
        "ERROR: No matching distribution found for x\n\n[notice] A new release of pip is "
        "available\n"
    )
    assert (
        dependencies.reason(said).splitlines()[-1] == "ERROR: No matching distribution found for x"
    )
    assert "notice" not in dependencies.reason(said)
