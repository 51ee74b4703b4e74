"""A project that is not there, cannot be loaded or answers with an error is refused, and what serves
goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixtures import foreign
from fixtures.local_stack import LocalStack
from styles.serving import serve

pytestmark = pytest.mark.integration


REFUSED = {
    "no directory": ({"STACK_PROJECT": "/nowhere"}, "STACK_PROJECT=/nowhere: no such directory."),
    "no manage.py": (
        {"STACK_PROJECT": "/usr/share"},
        "/usr/share: there is no manage.py in it. Set STACK_SETTINGS",
    ),
    "no such file": (
        {"STACK_REQUIREMENTS": "other.txt"},
        "STACK_REQUIREMENTS=other.txt: no such file in",
    ),
    "no variables": (
        {"STACK_ENVIRONMENT": "/nowhere/env"},
        "STACK_ENVIRONMENT=/nowhere/env: no such file.",
    ),
}
LOGGING = """LOGGING = {"version": 1,
    "handlers": {"file": {"class": "logging.FileHandler", "filename": "/nowhere/x.log"}},
    "root": {"handlers": ["file"]}}
"""


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_there_is_refused_before_anything_stops(
    stack: LocalStack, place: Path, name: str
) -> None:
    inputs, words = REFUSED[name]
    done = stack.manage(
        "stack_local", "up", **{"STACK_PROJECT": str(foreign.make(place / "first")), **inputs}
    )
    assert done.returncode == 2
    assert done.stderr.startswith(words)
    assert stack.answers()


def test_requirements_that_cannot_be_installed_leave_what_serves(
    stack: LocalStack, place: Path
) -> None:
    project = foreign.make(place / "unmet")
    (project / "requirements.txt").write_text("./no-such-wheel.whl\n")
    done = stack.manage("stack_local", "up", STACK_PROJECT=str(project))
    assert done.returncode == 2
    assert "no-such-wheel.whl" in done.stderr
    assert stack.answers()


def test_a_front_page_that_raises_is_not_said_to_be_ready(stack: LocalStack, place: Path) -> None:
    project = foreign.make(place / "raises", more='LOGGING = {"version": 1, "handlers": {}}\n')
    urls = project / "shop/urls.py"
    urls.write_text(
        urls.read_text().replace(
            "def front(request):", "def front(request):\n    raise KeyError('lost')"
        )
    )
    line = urls.read_text().splitlines().index("    raise KeyError('lost')") + 1
    done = stack.manage("stack_local", "up", STACK_PROJECT=str(project))
    assert done.returncode == 2
    assert "ready" not in done.stdout
    assert f"KeyError: 'lost'\n/ is answered with 500 (shop/urls.py, line {line})" in done.stderr
    file = stack.directory / "log/failure.log"
    assert f"The whole traceback: {file}. Fix it and run `make up` again" in done.stderr
    assert "django/core/handlers" in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    serve(stack, foreign.make(place / "first"))


@pytest.mark.parametrize("more", ['INSTALLED_APPS += ["carts"]\n', LOGGING], ids=["app", "logging"])
def test_a_project_that_cannot_be_loaded_is_refused_before_there_is_a_database(
    stack: LocalStack, unused: LocalStack, place: Path, more: str
) -> None:
    project = foreign.make(place / "unloadable", more=more)
    (unused.directory / "venvs").symlink_to(stack.directory / "venvs")
    done = unused.manage("stack_local", "up", STACK_PROJECT=str(project))
    assert done.returncode == 2
    assert f"{project}: it cannot be loaded: " in done.stderr
    assert f"The whole traceback: {unused.directory}/log/failure.log." in done.stderr
    assert "data" not in unused.entries()
    assert (unused.directory / "log/failure.log").read_text().startswith("Traceback ")
