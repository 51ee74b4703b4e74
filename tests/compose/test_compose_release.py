"""Releases, rollbacks and reloads in containers lose no request, and what fails serves nobody."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from compose_stack import ComposeStack, copy_checkout

from fixtures import crowd, steady_load

pytestmark = [pytest.mark.compose, pytest.mark.slow, pytest.mark.timeout(900)]

QUEUE, SLOW_SECONDS = 50, 3
"""clients more than workers, and the time in which all of these are taken"""
URLS = "app/config/urls.py"
ADDED = """
from django.http import HttpResponse
from django.urls import path
urlpatterns.insert(0, path("release", lambda request: HttpResponse("two")))
"""
RAISES = """
def raises(request):
    raise KeyError("no front page")
urlpatterns.insert(0, path("", raises))
"""
FAILS = """
from django.db import migrations
class Migration(migrations.Migration):
    dependencies = [("demo", "0001_initial")]
    operations = [migrations.RunSQL("SELECT 1 / 0")]
"""
BROKEN = {
    "does not build": (URLS, "def (", "the image was not built: ", "SyntaxError"),
    "does not start": ("app/config/wsgi.py", "raise OSError('x')", "trial: ", "OSError: x"),
    "does not migrate": ("app/demo/migrations/0002_no.py", FAILS, "migrate: ", "division by zero"),
    "answers 500": (URLS, RAISES, "trial: ", "/ is answered with 500"),
}
"""what is appended to which file, and what is said of it"""


@pytest.fixture
def changed(stack: ComposeStack, tmp_path: Path) -> Iterator[ComposeStack]:
    """The stack, and a checkout of its own that may be changed."""
    copy_checkout(tmp_path)
    yield replace(stack, checkout=tmp_path)
    # `make` takes only containers that its own checkout made.
    stack.up("--build", "--force-recreate")


def make(stack: ComposeStack, goal: str) -> subprocess.CompletedProcess[str]:
    """What `make GOAL` does once it knows that the containers are its checkout's."""
    words = ["tools/compose_reload.py"] if goal == "reload" else ["tools/compose_release.py", goal]
    return stack.run("/usr/bin/python3", "-B", *words, check=False)


def append(stack: ComposeStack, name: str, text: str) -> str:
    """What the file held before."""
    path = stack.checkout / name
    before = path.read_text() if path.exists() else ""
    path.write_text(f"{before}\n{text}\n")
    return before


def release_all(stack: ComposeStack) -> None:
    """A release that serves, those that do not, and back."""
    append(stack, URLS, ADDED)
    done = make(stack, "release")
    assert done.returncode == 0, done.stderr
    assert stack.get("/release") == (200, "two")
    web = stack.container("web")
    for kind, (name, text, begins, reason) in BROKEN.items():
        before = append(stack, name, text)
        done = make(stack, "release")
        (stack.checkout / name).write_text(before)
        if not before:
            (stack.checkout / name).unlink()
        assert done.returncode == 2, (kind, done.stdout)
        assert done.stderr.startswith(f"release: {begins}"), (kind, done.stderr)
        assert reason in done.stderr, (kind, done.stderr)
        assert "What served before keeps serving." in done.stderr
        assert stack.container("web") == web
    done = make(stack, "rollback")
    assert done.returncode == 0, done.stderr
    assert stack.get("/release")[0] == 404


def test_release_rollback_and_releases_that_fail_lose_no_request(changed: ComposeStack) -> None:
    tags = ("docker", "image", "ls", "--format={{.Tag}}", f"{changed.project}-web")
    steady_load.under_load(changed.url, "localhost", lambda: release_all(changed))
    assert len(changed.run(*tags).stdout.split()) == 2, "latest, and the release that serves"
    assert changed.verifies()
    done = make(changed, "rollback")
    assert (done.returncode, done.stderr.splitlines()[0]) == (
        2,
        "rollback: there is no release before the one that serves. Nothing was changed.",
    )


def reload_all(stack: ComposeStack) -> None:
    """Settings that come into force, some that PgBouncer does not take, and back."""
    usual = stack.sql("SHOW max_connections")
    larger = stack.with_inputs({"STACK_POOL_SIZE": "9"})
    done = make(larger, "reload")
    assert done.returncode == 0, done.stderr
    connections = stack.sql("SHOW max_connections")
    assert connections != usual
    again = make(larger, "reload")
    assert (again.returncode, again.stdout) == (
        0,
        "unchanged the running stack matches the inputs\n",
    )
    poolers = stack.container("pgbouncer")
    before = append(stack, "pgbouncer/pgbouncer.ini.j2", "nonsense = 1")
    stack.compose("build", "configure")
    done = make(larger, "reload")
    (stack.checkout / "pgbouncer/pgbouncer.ini.j2").write_text(before)
    assert done.returncode == 2, done.stdout
    assert "reload: the new PgBouncer does not answer: " in done.stderr
    assert "The previous configuration is in force again." in done.stderr
    assert stack.container("pgbouncer") == poolers
    stack.compose("build", "configure")
    done = make(stack, "reload")
    assert done.returncode == 0, done.stderr
    assert stack.sql("SHOW max_connections") == usual


def test_reloads_lose_no_request(changed: ComposeStack) -> None:
    steady_load.under_load(changed.url, "localhost", lambda: reload_all(changed))
    assert changed.verifies()


def test_who_waits_to_be_accepted_is_answered(stack: ComposeStack) -> None:
    """When all workers of Apache are taken, connections wait in the queue of the one that ends."""
    plan = json.loads(stack.execute("web", "cat", "/etc/stack/plan.json").stdout)
    web = stack.container("web")

    def reload() -> None:
        time.sleep(SLOW_SECONDS)
        done = make(stack.with_inputs({"STACK_THREADS": "3"}), "reload")
        assert done.returncode == 0, done.stderr

    with crowd.crowded(stack.port, plan["apache"]["max_request_workers"] + QUEUE):
        answers, longest = crowd.visited(stack.port, "localhost", reload)
    assert stack.container("web") != web
    assert longest > SLOW_SECONDS, "there was a queue"
    assert list(answers) == [b"HTTP/1.1 200 OK"], answers
    assert make(stack, "reload").returncode == 0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"STACK_POOL_SIZE": "0"}, "STACK_POOL_SIZE=0: Input should be greater than"),
        ({"STACK_EXTENSIONS": "vector"}, "the image of postgres lacks postgresql-17-pgvector"),
        ({"STACK_EGRESS": "closed"}, "reload: what is asked for changes the published port"),
    ],
)
def test_a_reload_that_cannot_be_is_refused(
    stack: ComposeStack, given: dict[str, str], message: str
) -> None:
    before = [stack.container(service) for service in ("postgres", "pgbouncer", "web")]
    done = make(stack.with_inputs(given), "reload")
    assert done.returncode == 2
    assert message in done.stderr
    assert before == [stack.container(service) for service in ("postgres", "pgbouncer", "web")]
