"""Commands of a project that knows nothing of the stack, and its releases."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from fixtures import foreign
from fixtures.local_stack import LocalStack
from styles.serving import serve

pytestmark = pytest.mark.integration


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
    assert [done.returncode for done in printed] == [0, 0], printed
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


@pytest.mark.timeout(600)
@pytest.mark.slow
def test_changed_variables_come_into_force_by_a_release_or_a_reload(
    stack: LocalStack, place: Path
) -> None:
    project = foreign.make(place / "variables", "DATABASE_URL or nothing")
    file = project / "env"
    given = {"STACK_PROJECT": str(project), "STACK_ENVIRONMENT": str(file)}

    def greeting() -> str:
        answer = requests.post(f"{stack.url}/note", params={"text": "x"}, timeout=10)
        return str(answer.json()["greeting"])

    file.write_text("SHOP_GREETING=first\n")
    serve(stack, project, STACK_ENVIRONMENT=str(file))
    for command in ("release", "reload"):
        file.write_text(f"SHOP_GREETING=by {command}\n")
        done = stack.manage("stack_local", command, **given)
        assert (done.returncode, greeting()) == (0, f"by {command}"), done.stdout + done.stderr
    again = stack.manage("stack_local", "reload", **given)
    assert again.stdout.startswith("unchanged"), again.stdout
    file.write_text("SHOP_GREETING\n")
    refused = stack.manage("stack_local", "reload", **given)
    assert (refused.returncode, greeting()) == (2, "by reload")
    assert f"STACK_ENVIRONMENT={file}: " in refused.stderr
    file.write_text("SHOP_GREETING=by reload\n")


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
