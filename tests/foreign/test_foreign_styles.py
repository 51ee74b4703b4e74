"""Projects that know nothing of the stack, in four styles of settings, one after the other on one
local stack."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
import requests
from requests.adapters import HTTPAdapter
from urllib3 import Retry

from fixtures import building, foreign, places
from fixtures.local_stack import LocalStack, started
from fixtures.odd_values import GREETING
from fixtures.proxy import nginx

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A directory that the stack's account may enter."""
    with tempfile.TemporaryDirectory(prefix="project-", dir="/var/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="module")
def stack(place: Path) -> Iterator[LocalStack]:
    project = foreign.make(place / "first")
    with started(
        STACK_PROJECT=str(project), STACK_DATA=places.VARIABLE, STACK_LOCALE=places.LOCALE
    ) as running:
        yield running


def serve(stack: LocalStack, project: Path, **inputs: str) -> None:
    done = stack.manage("stack_local", "up", STACK_PROJECT=str(project), **inputs)
    assert done.returncode == 0, f"{done.stderr}\n{stack.logs()}"


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
    found = requests.get(f"{stack.url}/places", timeout=10).json()
    home, program = (
        f"{stack.directory}/cache/{stack.directory.owner()}",
        f"{stack.directory}/venv/bin/pip",
    )
    assert (found["home"], found["cache"], found["program"]) == (home, f"{home}/.cache", program)
    assert found["data"] == f"{stack.directory}/media/data/SHOP_DATA"
    told = stack.manage("shell", "-c", places.COMMAND).stdout.splitlines()[-1]
    assert told.split() == [home, found["path"], found["data"], program]


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


def test_commands_that_need_the_owner_of_the_schema_find_the_way(stack: LocalStack) -> None:
    made = stack.manage("createcachetable", "a_cache")
    assert (made.returncode, made.stderr) == (0, "")
    assert stack.sql("SELECT tableowner FROM pg_tables WHERE tablename = 'a_cache'") == "app_owner"
    shell = stack.manage("dbshell", "--", "-XAtc", "SELECT current_user")
    assert shell.stdout.strip() == "app_owner", shell.stderr
    with only_the_owner(stack, "notes_note"):
        dumped = stack.manage("dumpdata", "notes")
        assert dumped.returncode == 0, dumped.stderr
        fixture = [{"model": "notes.note", "pk": 1000, "fields": {"text": "of a fixture"}}]
        directory = Path(tempfile.mkdtemp(prefix="fixture-", dir="/tmp"))
        directory.chmod(0o755)
        (directory / "one.json").write_text(json.dumps(fixture))
        loaded = stack.manage("loaddata", str(directory / "one.json"))
        shutil.rmtree(directory)
        assert loaded.returncode == 0, loaded.stderr
    assert stack.sql("SELECT text FROM notes_note WHERE id = 1000") == "of a fixture"
    printed = [stack.manage(*words) for words in (("sqlflush",), ("inspectdb", "notes_note"))]
    assert [one.returncode for one in printed] == [0, 0], printed
    emptied = stack.manage("flush", "--no-input")
    assert emptied.returncode == 0, emptied.stderr
    assert stack.sql("SELECT count(*) FROM notes_note") == "0"
    assert (
        requests.post(
            f"{stack.url}/note", params={"text": "of the migration"}, timeout=10
        ).status_code
        == 200
    )


@contextmanager
def only_the_owner(stack: LocalStack, table: str) -> Iterator[None]:
    """The web's role may not even read a table."""
    stack.sql(f"REVOKE ALL ON {table} FROM app")
    try:
        yield
    finally:
        stack.sql(f"GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON {table} TO app")


def test_verify_is_green_and_says_what_it_does_not_prove(stack: LocalStack) -> None:
    done = stack.manage("stack_verify", "--json")
    findings = {finding["check"]: finding for finding in json.loads(done.stdout)}
    assert done.returncode == 0, done.stdout
    assert {name for name, finding in findings.items() if finding["holds"] is False} == set()
    assert findings["front page answers"]["found"] == (
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


def test_new_code_is_released_and_code_that_raises_is_not(stack: LocalStack, place: Path) -> None:
    project = foreign.make(place / "released", "plain DATABASES")
    serve(stack, project)
    urls = project / "shop/urls.py"
    good = urls.read_text()
    urls.write_text(
        f"{good}\nurlpatterns.append(path('new', lambda request: HttpResponse('new')))\n"
    )
    assert stack.manage("stack_local", "release").returncode == 0
    assert requests.get(f"{stack.url}/new", timeout=10).text == "new"
    urls.write_text(
        good.replace("def front(request):", "def front(request):\n    raise KeyError('lost')")
    )
    done = stack.manage("stack_local", "release")
    assert done.returncode == 2
    assert "/ is answered with 500" in done.stderr
    assert requests.get(f"{stack.url}/new", timeout=10).text == "new"


def test_commands_run_in_the_project_whatever_directory_they_are_called_from(
    stack: LocalStack,
) -> None:
    code = (
        "from notes.models import Note; print(Note.objects.filter(text='of the migration').count())"
    )
    done = stack.manage("shell", "--verbosity=0", "-c", code)
    assert done.stdout.strip() == "1", done.stderr


def test_the_demo_is_not_migrated_into_a_projects_database(stack: LocalStack) -> None:
    done = stack.manage("stack_local", "up", STACK_PROJECT="", STACK_DATA="")
    assert done.returncode == 2
    assert f"{stack.directory}: its database is that of STACK_PROJECT=" in done.stderr


LOGGING = """LOGGING = {"version": 1,
    "handlers": {"file": {"class": "logging.FileHandler", "filename": "/nowhere/x.log"}},
    "root": {"handlers": ["file"]}}
"""


def test_a_new_secret_key_logs_nobody_out_until_the_old_one_goes(
    stack: LocalStack, place: Path
) -> None:
    """By the steps of docs/your-project.md: who comes in between gets a session of the new key, and stays."""
    serve(stack, foreign.make(place / "keys", "dj-database-url"))
    comes, stays_away = (
        stack.manage("shell", "--verbosity=0", "-c", foreign.LOG_IN).stdout.strip()
        for _ in range(2)
    )
    file = stack.directory / "secrets/django_secret_key"
    old = file.read_text()
    assert (visit(stack, comes), visit(stack, stays_away)) == (comes, stays_away)
    believed, _, signs, _ = foreign.rotation("local").partition("; ")[2].split(" && ")
    sessions = [comes]
    for step in (believed, signs, "sed -i 1q $f"):
        subprocess.run(["sh", "-c", step], check=True, env={**os.environ, "f": str(file)})
        released = stack.manage("stack_local", "release")
        assert released.returncode == 0, released.stderr
        sessions.append(visit(stack, sessions[-1]))
        assert stack.manage("stack_verify").returncode == 0
    assert file.stat().st_mode & 0o777 == 0o440
    assert [before == after for before, after in pairwise(sessions)] == [True, False, True]
    assert visit(stack, stays_away) == ""
    file.write_text(old)
    assert stack.manage("stack_local", "release").returncode == 0


def visit(stack: LocalStack, session: str) -> str:
    """The session that somebody has after asking for the front page; empty when it sends him to log in."""
    answer = requests.get(stack.url, cookies={"sessionid": session}, timeout=10)
    return answer.cookies.get("sessionid", session) if answer.text == "in" else ""


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
    assert f"The whole traceback: {file}. Put it right and run `make up` again" in done.stderr
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


def test_people_log_in_through_a_proxy_that_ends_tls(stack: LocalStack, place: Path) -> None:
    project = foreign.make(place / "behind")
    serve(stack, project, STACK_PROXY="on")
    person = {
        "DJANGO_SUPERUSER_PASSWORD": "long and unlikely",
        "STACK_PROXY": "on",
        "STACK_PROJECT": str(project),
    }
    made = stack.manage(
        "createsuperuser", "--noinput", "--username=me", "--email=me@shop.example", **person
    )
    assert made.returncode == 0, made.stderr
    with nginx(place / "nginx", stack.url) as url, requests.Session() as session:
        session.trust_env, session.verify = False, str(place / "nginx/certificate.pem")
        session.mount(url, HTTPAdapter(max_retries=Retry(connect=10, backoff_factor=0.1)))
        form = session.get(f"{url}/admin/", timeout=10)
        assert form.url == f"{url}/admin/login/?next=/admin/", (
            "what leads to another page stays with the proxy"
        )
        token = form.text.partition('name="csrfmiddlewaretoken" value="')[2].partition('"')[0]
        answers = {
            "csrfmiddlewaretoken": token,
            "username": "me",
            "password": person["DJANGO_SUPERUSER_PASSWORD"],
        }
        page = session.post(
            form.url, answers, headers={"Origin": url, "Referer": form.url}, timeout=10
        )
        assert (page.status_code, page.url) == (200, f"{url}/admin/")
        assert {cookie.name: cookie.secure for cookie in session.cookies} == {
            "csrftoken": True,
            "sessionid": True,
        }
        assert (
            session.post(f"{url}/note", params={"text": "x"}, timeout=10).json()["secure"] is True
        )
