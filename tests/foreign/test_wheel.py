"""The wheel in a project's own virtual environment: it brings what a project needs, and nothing of
the operators'."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures import foreign
from fixtures.local_stack import CHECKOUT, UNREACHABLE, LocalStack

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(900),
]  # on a busy disk an installation takes minutes

PYTHONS = {"3.11": "Django~=5.2.0", "3.12": "Django>=6.0", "3.13": "Django>=6.0"}
"""releases of Python, each with the newest Django that it is to work with"""
QUERY = """
from django.db import connection, connections
with connection.cursor() as cursor:
    cursor.execute("SELECT 6 * 7")
    print(cursor.fetchone()[0], connection.settings_dict["HOST"], sorted(connections))
"""


def run(*command: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload, no-any-return]


def pip(*command: str | Path) -> None:
    done = run(*command)
    if UNREACHABLE.search(done.stderr):
        pytest.skip(f"the package registry is out of reach: {done.stderr.splitlines()[-1]}")
    assert done.returncode == 0, done.stderr


def interpreter(release: str) -> str:
    """A Python of that release that runs. Skips when there is none."""
    kept = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for program in (
        "/usr/bin/python3",
        f"python{release}",
        *map(str, kept.glob(f"{release}.*/bin/python")),
    ):
        if shutil.which(program) and release in run(program, "--version").stdout:
            return program
    pytest.skip(
        f"Python {release} is missing; install python{release}-venv, or `pyenv install {release}`"
    )


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="wheel-", dir="/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="module")
def wheel(place: Path) -> Path:
    """Built from the files under version control alone."""
    source = place / "source"
    templates = {path.parent.name for path in CHECKOUT.glob("*/*.j2")}
    for name in ("app/pgstack", *templates):
        shutil.copytree(
            CHECKOUT / name, source / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(CHECKOUT / name, source / name)
    pip(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--wheel-dir", place, source)
    (path,) = place.glob("pgstack-*.whl")
    return path


def test_the_wheel_holds_the_package_its_types_and_its_templates(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {
        "pgstack/py.typed",
        "pgstack/db/base.py",
        "pgstack/templates/postgres/pg_hba.conf.j2",
    } <= names
    templates = {name for name in names if name.startswith("pgstack/templates/")}
    rendered = [*CHECKOUT.glob("*/*.j2"), CHECKOUT / "observability/alerts.yml"]
    assert templates == {f"pgstack/templates/{path.relative_to(CHECKOUT)}" for path in rendered}
    assert {name.split("/")[0] for name in names} == {"pgstack", "pgstack-0.1.0.dist-info"}


@pytest.mark.parametrize(
    "release",
    [
        pytest.param(release, marks=pytest.mark.slow if release != "3.11" else [])
        for release in PYTHONS
    ],
)
def test_a_project_with_the_wheel_reaches_the_stack(
    stack: LocalStack, place: Path, wheel: Path, release: str
) -> None:
    environment = place / f"environment-{release}"
    done = run(interpreter(release), "-m", "venv", environment)
    assert done.returncode == 0, done.stderr
    pip(environment / "bin/pip", "install", "-q", wheel, PYTHONS[release])
    project, python = foreign.make(place / f"project-{release}"), environment / "bin/python"
    assert run(python, "-m", "pgstack", "init", "--yes", cwd=project).returncode == 0
    assert f"\npgstack @ {wheel.as_uri()}" in (project / "requirements.txt").read_text()
    assert (
        run(python, "-c", "import jinja2").returncode == 1
    )  # operators need it, a project does not
    check = run(python, "manage.py", "check", cwd=project)
    assert check.returncode == 0, check.stderr
    reached = as_account(stack, project, python, "manage.py", "check", "--database=default")
    assert reached.returncode == 0, reached.stderr
    reached = as_account(stack, project, python, "manage.py", "shell", "--verbosity=0", "-c", QUERY)
    assert reached.stdout == f"42 {stack.directory}/run/pooler ['default', 'direct']\n", (
        reached.stderr
    )


def as_account(
    stack: LocalStack, project: Path, python: Path, *words: str
) -> subprocess.CompletedProcess[str]:
    """Django's command line as the account that the plan lets in; root's may read a Python below
    /root as well."""
    owner, prefix = stack.directory.stat(), ()
    if os.geteuid() == 0:
        reads = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
        prefix = (
            "setpriv",
            f"--reuid={owner.st_uid}",
            f"--regid={owner.st_gid}",
            "--clear-groups",
            *reads,
        )
    plan = {"STACK_PLAN": str(stack.directory / "conf/plan.json"), "PYTHONDONTWRITEBYTECODE": "1"}
    return run(*prefix, python, *words, cwd=project, env={**stack.environment(), **plan})


def test_types_of_the_installed_package_are_known(place: Path, wheel: Path) -> None:
    environment = place / "environment-3.11"
    if not environment.exists():
        pytest.skip("no package was installed for Python 3.11; the test that does says why")
    code = "from pgstack.settings import tls\nwrong: str = tls()\n"
    done = run(
        sys.executable,
        "-m",
        "mypy",
        "--python-executable",
        environment / "bin/python",
        "-c",
        code,
        cwd=place,
    )
    assert (
        'Incompatible types in assignment (expression has type "bool", variable has type "str")'
        in done.stdout
    )
