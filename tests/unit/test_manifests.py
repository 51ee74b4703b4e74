"""What a project needs, read from the files of its tools."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgstack.planning import dependencies

POETRY = """
[tool.poetry.dependencies]
python = "^3.11"
django = "^5.2"
celery = {version = "~5.4", extras = ["redis"]}
pillow = "10.1.0"
tzdata = {version = "*", markers = "sys_platform == 'win32'"}
backport = {version = ">=1", python = "<3.12"}
extra = {version = "^1", optional = true}
tiny = "^0.3.1"
shop = {git = "https://git.example/shop.git", tag = "v1"}
[tool.poetry.group.dev.dependencies]
pytest = "*"
"""
MANIFESTS = {
    "pyproject.toml": (
        POETRY,
        (
            "django>=5.2,<6\ncelery[redis]>=5.4,<5.5\npillow==10.1.0\ntzdata ; sys_platform == "
            "'win32'\n"
            'backport>=1 ; python_version < "3.12"\ntiny>=0.3.1,<0.4\nshop @ '
            "git+https://git.example/shop.git@v1\n"
        ),
    ),
    "Pipfile": (
        '[packages]\ndjango = "*"\nshop = "==7.0"\n[dev-packages]\npytest = "*"\n',
        "django\nshop==7.0\n",
    ),
    "Pipfile.lock": (
        (
            '{"default": {"django": {"version": "==5.2.1", "hashes": ["sha256:aa"], "markers": '
            "\"python_version > '3'\"}}}"
        ),
        "django==5.2.1 ; python_version > '3' --hash=sha256:aa\n",
    ),
    "setup.cfg": (
        "[options]\ninstall_requires =\n    Django>=5.2\n    # why\n    wagtail\n",
        "Django>=5.2\nwagtail\n",
    ),
    "requirements/production.txt": ("Django\ngunicorn\n", "Django\ngunicorn\n"),
    "requirements/base.txt": ("Django\n", "Django\n"),
}


@pytest.mark.parametrize("name", MANIFESTS)
def test_what_a_project_needs_is_found_in_the_file_of_its_tool(tmp_path: Path, name: str) -> None:
    (tmp_path / "requirements").mkdir()
    (tmp_path / name).write_text(MANIFESTS[name][0])
    if name != "pyproject.toml":  # of its tools, as most projects have one
        (tmp_path / "pyproject.toml").write_text("[tool.ruff]\nline-length = 100\n")
    assert dependencies.usual(tmp_path) == name
    assert dependencies.texts(tmp_path, name) == {name: MANIFESTS[name][1]}


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"uv.lock": ""}, "uv.lock (`uv export --no-dev > requirements.txt`)"),
        (
            {"poetry.lock": "", "setup.py": ""},
            "poetry.lock (`poetry export > requirements.txt`), setup.py",
        ),
        (
            {"pyproject.toml": '[dependency-groups]\nprod = ["django"]\n'},
            "[dependency-groups] prod (`uv export --only",
        ),
        (
            {"pyproject.toml": '[tool.poetry.dependencies]\ndjango = "^4 || ^5"\n'},
            "'^4 || ^5' is one of two ranges",
        ),
        ({"Pipfile": '[packages]\nshop = {path = "."}\n'}, "shop is a path there"),
        ({"pyproject.toml": "not toml"}, "fix it"),
    ],
)
def test_what_cannot_be_read_is_named_with_what_can(
    tmp_path: Path, files: dict[str, str], said: str
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(dependencies.DependencyError) as refused:
        dependencies.usual(tmp_path)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("said", "python", "holds"),
    [
        (">=3.11", "3.11", True),
        (">=3.12", "3.11", False),
        (">=3.10,<4", "3.13", True),
        ("<3.13", "3.13", False),
        ("<3.13", "3.11", True),
        (">=3.11.4", "3.11", True),
        ("~=3.11", "3.13", True),
        ("~=3.11.0", "3.13", False),
        ("==3.11.*", "3.11", True),
        ("==3.12.*", "3.11", False),
        ("!=3.11.*", "3.11", False),
        (">3.11", "3.11", False),
        ("<=3.11", "3.11", True),
        ("<=3.10", "3.11", False),
    ],
)
def test_a_python_that_the_project_is_not_for_is_refused(
    tmp_path: Path, said: str, python: str, holds: bool
) -> None:
    (tmp_path / "pyproject.toml").write_text(
        f'[project]\nname = "shop"\nrequires-python = "{said}"\n'
    )
    if holds:
        dependencies.require_python(tmp_path, python)
        return
    with pytest.raises(dependencies.DependencyError, match="requires-python is"):
        dependencies.require_python(tmp_path, python)


def test_poetrys_word_on_python_counts_too(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(POETRY.replace("^3.11", ">=3.8,<3.12"))
    dependencies.require_python(tmp_path, "3.11")
    with pytest.raises(dependencies.DependencyError, match=r"runs Python 3\.13"):
        dependencies.require_python(tmp_path, "3.13")


LOCKS = {
    "uv.lock": """version = 1
[[package]]
name = "django"
version = "5.2.3"
source = {registry = "x"}
[[package]]
name = "shop"
version = "0.1.0"
source = {virtual = "."}
[[package]]
name = "twice"
version = "1"
source = {registry = "x"}
[[package]]
name = "twice"
version = "2"
source = {registry = "x"}
""",
    "poetry.lock": """[[package]]
name = "django"
version = "5.2.3"
[[package]]
name = "own"
version = "1"
[package.source]
type = "git"
url = "x"
""",
    "pdm.lock": '[[package]]\nname = "django"\nversion = "5.2.3"\n'
    '[[package]]\nname = "own"\nversion = "1"\npath = "."\n',
}


@pytest.mark.parametrize("lock", LOCKS)
def test_versions_that_are_locked_bind(tmp_path: Path, lock: str) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\ndependencies = ["Django>=5"]\n')
    (tmp_path / lock).write_text(LOCKS[lock])
    assert dependencies.texts(tmp_path, "pyproject.toml") == {
        "pyproject.toml": f"Django>=5\n-c {lock}\n",
        lock: "django==5.2.3\n",
    }
