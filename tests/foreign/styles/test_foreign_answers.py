"""Projects that know nothing of the stack, in four styles of settings, one after the other on one
local stack: what their pages answer."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import requests

from fixtures import building, foreign, places
from fixtures.local_stack import LocalStack
from fixtures.odd_values import GREETING
from styles.serving import serve

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("style", foreign.STYLES)
def test_a_project_runs_whatever_the_style_of_its_settings(
    stack: LocalStack, place: Path, style: str
) -> None:
    project = foreign.make(place / style.replace(" ", "-"), style)
    places.add(project / "shop/urls.py")
    (project / "env").write_text(f"SHOP_GREETING={GREETING}\n")
    serve(stack, project, STACK_ENVIRONMENT=str(project / "env"))
    answer = requests.post(f"{stack.url}/note", params={"text": style}, timeout=10).json()
    assert (answer["notes"][0], answer["notes"][-1]) == ("of the migration", style)
    assert (answer["engine"], answer["debug"]) == ("pgstack.db", False)
    assert answer["greeting"] == (GREETING if style == "DATABASE_URL or nothing" else "")
    front = requests.get(stack.url, timeout=10)
    assert (front.status_code, front.url) == (200, f"{stack.url}/admin/login/?next=/")
    assert requests.get(f"{stack.url}/static/admin/css/base.css", timeout=10).status_code == 200


def test_pages_and_commands_have_one_home_and_the_programs_of_the_environment(
    stack: LocalStack,
) -> None:
    answer = requests.get(f"{stack.url}/places", timeout=10).json()
    home, program = (
        f"{stack.directory}/cache/{stack.directory.owner()}",
        f"{stack.directory}/venv/bin/pip",
    )
    assert (answer["home"], answer["cache"], answer["program"]) == (home, f"{home}/.cache", program)
    assert answer["data"] == f"{stack.directory}/media/data/SHOP_DATA"
    told = stack.manage("shell", "-c", places.COMMAND).stdout.splitlines()[-1]
    assert told.split() == [home, answer["path"], answer["data"], program]


def test_a_page_that_writes_into_the_project_is_refused_here_too(
    stack: LocalStack, place: Path
) -> None:
    assert requests.get(f"{stack.url}/index", timeout=10).status_code == 500
    project = place / list(foreign.STYLES)[-1].replace(" ", "-")
    stack.wait_until(lambda: places.remedy(str(project)) in stack.logs(), 5)
    assert not (project / "index").exists()


def test_a_build_makes_files_before_the_project_serves(stack: LocalStack, place: Path) -> None:
    """Without the database; what a release builds anew is served, and a build that fails serves
    nobody."""
    project = place / "built"
    project.mkdir()
    building.add(project, "apps/notes")
    foreign.make(project, "DATABASE_URL or nothing")
    (project / "apps/notes/static/built").chmod(0o777)
    (project / "env").write_text("SHOP_GREETING=hello\n")
    given = {"STACK_ENVIRONMENT": str(project / "env"), "STACK_BUILD": building.TEXT}
    wrong = {**given, "STACK_PROJECT": str(project), "STACK_BUILD": "npm-of-nobody ci"}
    done = stack.manage("stack_local", "up", **wrong)
    assert done.returncode == 2
    assert "STACK_BUILD: there is no program npm-of-nobody in " in done.stderr
    serve(stack, project, **given)
    built = [requests.get(f"{stack.url}{building.BUILT}", timeout=10).text]
    assert building.is_without_database(
        requests.get(f"{stack.url}{building.REACHED}", timeout=10).text
    )
    done = stack.manage("stack_local", "release")
    assert done.returncode == 0, done.stderr
    assert "build     python build_it.py" in done.stdout
    built.append(requests.get(f"{stack.url}{building.BUILT}", timeout=10).text)
    assert built == ["1", "2"], "one cache for both"
    (project / "build_it.py").write_text("raise SystemExit('no such file')")
    done = stack.manage("stack_local", "release")
    assert (done.returncode, done.stderr) == (
        2,
        "STACK_BUILD: python build_it.py: it ended with 1: no such file\n",
    )
    assert requests.get(f"{stack.url}{building.BUILT}", timeout=10).text == "2"


def test_the_database_sorts_as_it_was_made(stack: LocalStack) -> None:
    assert stack.sql(places.SORT).split(",") == places.SORTED
    refused = [
        stack.manage("stack_local", verb, STACK_LOCALE="C.UTF-8") for verb in ("up", "reload")
    ]
    said = "STACK_LOCALE=C.UTF-8: the database was made with icu:de-DE, and cannot change it. Set"
    assert [(done.returncode, done.stderr[: len(said)]) for done in refused] == [(2, said)] * 2
    assert requests.get(stack.url, timeout=10).status_code == 200


def test_a_schema_that_a_migration_made_is_the_webs_to_use(stack: LocalStack) -> None:
    answer = requests.post(f"{stack.url}/accounting", timeout=10)
    assert (answer.status_code, answer.json()) == (200, {"total": 7, "left": 0})


def test_verify_is_green_and_says_what_it_does_not_prove(stack: LocalStack) -> None:
    done = stack.manage("stack_verify", "--json")
    findings = {finding["check"]: finding for finding in json.loads(done.stdout)}
    assert done.returncode == 0, done.stdout
    assert {name for name, finding in findings.items() if finding["holds"] is False} == set()
    assert findings["front page answers"]["detail"] == (
        "/ is answered with 302; its other pages and its writes are not tried"
    )


def test_pages_have_each_header_once(stack: LocalStack) -> None:
    for path in ("/admin/login/", "/broken", "/nowhere", "/static/admin/css/base.css", "/healthz"):
        answer = requests.get(f"{stack.url}{path}", timeout=10)
        assert answer.headers["X-Content-Type-Options"] == "nosniff", path
        assert answer.headers["Referrer-Policy"] == "same-origin", path
        pages = not path.startswith(("/static/", "/healthz"))
        assert answer.headers.get("X-Frame-Options") == ("DENY" if pages else None), path


def test_uploads_are_served_and_never_run(stack: LocalStack) -> None:
    address = requests.post(f"{stack.url}/upload", timeout=10).text
    answer = requests.get(f"{stack.url}{address}", timeout=10)
    assert (answer.status_code, answer.text) == (200, "<b>hello</b>")
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none';")


def test_an_error_is_in_the_log_with_its_reason(stack: LocalStack) -> None:
    assert requests.get(f"{stack.url}/broken", timeout=10).status_code == 500
    with suppress(AssertionError):
        stack.wait_until(lambda: "KeyError: 'the reason'" in stack.logs(), 5)
    assert "KeyError: 'the reason'" in (stack.directory / "log/apache-error.log").read_text()


def test_the_error_log_is_in_one_zone_whatever_the_projects(stack: LocalStack) -> None:
    """The project's is Asia/Tokyo: its naive times stay in it."""
    assert requests.get(f"{stack.url}/broken", timeout=10).status_code == 500
    lines = (stack.directory / "log/apache-error.log").read_text().splitlines()
    of_apache = [line for line in lines if "mpm_event:notice" in line][-1]
    of_the_project = [line for line in lines if "KeyError: 'the reason'" in line][-1]
    here = datetime.now().astimezone()
    for line in (of_apache, of_the_project):
        written = datetime.strptime(line[1:33], "%Y-%m-%d %H:%M:%S.%f %z")
        assert written.utcoffset() == here.utcoffset(), line
    assert timedelta(0) <= here - written < timedelta(minutes=1)
    assert {line[27:33] for line in lines} == {of_apache[27:33]}, "all others too"
    assert requests.get(f"{stack.url}/naive", timeout=10).json()["hours"] == 9


def test_a_stranger_learns_nothing_of_the_probe(stack: LocalStack) -> None:
    answer = requests.get(
        f"{stack.url}/stack/probe", headers={"X-Stack-Probe": "0:x:y"}, timeout=10
    )
    assert answer.status_code == 404
