"""A project that knows nothing of the stack, in containers."""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import pytest
import requests
from compose_stack import CHECKOUT, ComposeStack, require_engine

from fixtures import building, foreign, places
from fixtures.odd_values import AS_COMPOSE, GREETING
from fixtures.releases import NEWEST_IMAGE
from pgstack.ports import free_port

pytestmark = pytest.mark.compose


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComposeStack]:
    require_engine()
    directory = tmp_path_factory.mktemp("project")
    (directory / "shop").mkdir()
    building.add(directory / "shop", "apps/notes")
    project = foreign.make(directory / "shop", "DATABASE_URL or nothing")
    (directory / "variables").write_text(f"SHOP_GREETING={GREETING}\n")
    places.add(project / "shop/urls.py")
    inputs = {"STACK_PROJECT": str(project), "STACK_ENVIRONMENT": str(directory / "variables")}
    inputs |= {"STACK_DATA": places.VARIABLE, "STACK_LOCALE": places.LOCALE}
    inputs["STACK_BUILD"] = building.TEXT
    stack = ComposeStack(f"pgstack-project-{os.getpid()}", free_port(), inputs)
    try:
        stack.up("--build")
        yield stack
    finally:
        stack.remove()
    assert stack.orphans() == []


def post(stack: ComposeStack, path: str, method: str = "POST") -> str:
    with urllib.request.urlopen(
        urllib.request.Request(f"{stack.url}{path}", method=method), timeout=10
    ) as answer:
        return str(answer.read().decode())


def test_it_writes_through_the_pooler_with_its_own_variables(served: ComposeStack) -> None:
    answer = json.loads(post(served, "/note?text=one"))
    assert answer["notes"] == ["of the migration", "one"]
    assert (answer["engine"], answer["debug"], answer["greeting"]) == (
        "pgstack.db",
        False,
        GREETING,
    )


@pytest.mark.slow
def test_changed_variables_come_into_force_by_a_reload(served: ComposeStack) -> None:
    """Written into the file, or into another that takes its place."""
    file = Path(served.inputs["STACK_ENVIRONMENT"])
    before = file.read_text()
    other = file.with_name("other")
    reload = ("make", "reload", "TARGET=compose")
    file.write_text("SHOP_GREETING=changed in place\n")
    assert "reloaded" in served.run(*reload).stdout
    assert json.loads(post(served, "/note?text=two"))["greeting"] == "changed in place"
    assert "unchanged" in served.run(*reload).stdout
    other.write_text(before)
    other.replace(file)
    assert "reloaded" in served.run(*reload).stdout
    assert json.loads(post(served, "/note?text=three"))["greeting"] == GREETING
    assert "unchanged" in served.run(*reload).stdout


def test_pages_and_commands_have_homes_and_the_programs_of_the_environment(
    served: ComposeStack,
) -> None:
    answer = json.loads(post(served, "/places", "GET"))
    assert (answer["home"], answer["cache"]) == (
        "/var/cache/stack/app",
        "/var/cache/stack/app/.cache",
    )
    assert (answer["program"], answer["data"]) == (
        "/srv/stack/venv/bin/pip",
        "/var/lib/stack-media/data/SHOP_DATA",
    )
    told = served.compose(
        "run", "--rm", "--no-deps", "manage", "shell", "-c", places.COMMAND
    ).stdout.splitlines()[-1]
    assert told.split() == [
        "/var/cache/stack/deploy",
        answer["path"],
        answer["data"],
        answer["program"],
    ]


def test_what_commands_and_pages_make_in_data_the_others_may_change(served: ComposeStack) -> None:
    data = "/var/lib/stack-media/data/SHOP_DATA"
    make = f"import os; os.makedirs('{data}/of/command'); open('{data}/of/command/a', 'w').close()"
    served.compose("run", "--rm", "--no-deps", "manage", "shell", "-c", make)
    post(served, "/places", "GET")
    change = f"cd {data} && echo x >> of/command/a && mkdir of/command/$0 && echo x >> font"
    for service, account in (("web", "app"), ("background", "worker")):
        shell = (f"--user={account}", service, "sh", "-c", change, account)
        served.compose("exec", "--no-TTY", *shell)
    served.compose("run", "--rm", "--no-deps", "--entrypoint=sh", "manage", "-c", change, "deploy")


def test_a_page_that_writes_into_the_project_is_told_what_to_do(served: ComposeStack) -> None:
    with pytest.raises(urllib.error.HTTPError, match="500"):
        post(served, "/index", "GET")
    assert places.remedy("/srv/stack/project") in served.compose("logs", "web").stdout


def test_the_database_sorts_as_it_was_made(served: ComposeStack) -> None:
    question = ("psql", "-XqAt", "-h", "/run/stack/postgres", "-d", "app", "-c", places.SORT)
    assert (
        served.compose("exec", "-T", "postgres", *question).stdout.strip().split(",")
        == places.SORTED
    )
    other = ComposeStack(served.project, served.port, {**served.inputs, "STACK_LOCALE": "C.UTF-8"})
    done = other.compose("run", "--rm", "--no-deps", "configure", check=False)
    assert done.returncode == 2
    assert (
        "STACK_LOCALE=C.UTF-8: the database was made with icu:de-DE, and cannot change it."
        in done.stderr
    )


def test_a_build_makes_files_of_the_image_without_the_database(served: ComposeStack) -> None:
    assert post(served, building.BUILT, "GET") == "1"
    assert building.is_without_database(post(served, building.REACHED, "GET"))


def test_static_files_and_uploads_are_served(served: ComposeStack) -> None:
    with urllib.request.urlopen(f"{served.url}/static/admin/css/base.css", timeout=10) as answer:
        assert answer.status == 200
    with urllib.request.urlopen(f"{served.url}{post(served, '/upload')}", timeout=10) as answer:
        assert answer.read() == b"<b>hello</b>"


def test_verify_is_green(served: ComposeStack) -> None:
    done = served.compose("run", "--rm", "--no-deps", "manage", "stack_verify", "--json")
    assert [finding for finding in json.loads(done.stdout) if finding["holds"] is False] == []


def test_its_variables_are_in_no_layer_of_the_image(served: ComposeStack) -> None:
    image = f"{served.project}-web"
    assert GREETING not in served.run("docker", "image", "inspect", image).stdout
    assert GREETING not in served.run("docker", "history", "--no-trunc", image).stdout


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_new_secret_key_logs_nobody_out(served: ComposeStack) -> None:
    """No page is lost meanwhile, and workers, which may sign too, start again with it."""
    shell = ("run", "--rm", "--no-deps", "manage", "shell", "--verbosity=0", "-c")
    sessions = [served.compose(*shell, foreign.LOG_IN).stdout.splitlines()[-1]]
    file = "/etc/stack-secrets/django_secret_key"
    old, owners = (
        served.execute("web", *ask, file).stdout
        for ask in (("cat",), ("stat", "--format=%U %G %a"))
    )
    with ThreadPoolExecutor(1) as threads:
        began = time.monotonic()
        rotation = threads.submit(served.run, "sh", "-c", foreign.rotation("compose"))
        while not rotation.done():
            answer = requests.get(served.url, cookies={"sessionid": sessions[-1]}, timeout=10)
            assert answer.text == "in", f"logged out after {time.monotonic() - began:.1f} s"
            sessions.append(answer.cookies.get("sessionid", sessions[-1]))
            time.sleep(0.1)
    print(f"took {time.monotonic() - began:.1f} s, {len(sessions)} pages")
    rotation.result()
    new, *before = served.execute("web", "cat", file).stdout.split()
    assert (len(new), before) == (96, old.split())
    assert served.execute("web", "stat", "--format=%U %G %a", file).stdout == owners
    assert len(set(sessions)) > 1, "one of the new key took the old one's place"
    written = int(served.execute("web", "stat", "--format=%Y", file).stdout)
    assert datetime.fromisoformat(started(served, "background")).timestamp() > written


def started(stack: ComposeStack, service: str) -> str:
    return str(stack.inspect(service)["State"]["StartedAt"][:19]) + "+00:00"


def test_a_directory_that_holds_no_project_is_refused(served: ComposeStack, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    empty = ComposeStack(served.project, served.port, {"STACK_PROJECT": str(tmp_path)})
    done = empty.compose("run", "--rm", "--no-deps", "configure", check=False)
    assert done.returncode == 2
    assert "/srv/stack/project: there is no manage.py in it." in done.stderr


def test_compose_reads_the_same_lines_alike(tmp_path: Path) -> None:
    require_engine()
    lines = [line.replace("X", f"X{at}", 1) for at, line in enumerate(AS_COMPOSE)]
    (tmp_path / "variables").write_text("\n".join(lines))
    service = {
        "image": NEWEST_IMAGE,
        "network_mode": "none",
        "env_file": "variables",
        "command": ["env", "-0"],
    }
    (tmp_path / "compose.yaml").write_text(json.dumps({"services": {"asked": service}}))
    command = [
        "docker",
        "compose",
        "-p",
        f"pgstack-asked-{os.getpid()}",
        "run",
        "--rm",
        "--no-TTY",
        "asked",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    variables = dict(entry.partition("=")[::2] for entry in done.stdout.split("\0"))
    assert [variables[f"X{at}"] for at in range(len(AS_COMPOSE))] == list(AS_COMPOSE.values())


@pytest.mark.slow
def test_a_front_page_that_raises_is_not_said_to_be_ready(served: ComposeStack) -> None:
    project = Path(served.inputs["STACK_PROJECT"])
    urls = project / "shop/urls.py"
    urls.write_text(
        urls.read_text().replace(
            "def front(request):", "def front(request):\n    raise KeyError('x')"
        )
    )
    with (project / "shop/settings.py").open("a") as settings:
        settings.write('LOGGING = {"version": 1, "handlers": {}}\n')
    done = served.run("make", "up", "TARGET=compose", check=False)
    assert done.returncode == 2
    assert "web: KeyError: 'x'\n/ is answered with 500 (shop/urls.py, line " in done.stderr
    file = CHECKOUT / ".compose-failure.log"
    assert f"The whole traceback: {file}" in done.stderr
    assert "django/core/handlers" in file.read_text()
    assert "ready" not in done.stdout
