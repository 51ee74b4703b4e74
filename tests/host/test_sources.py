"""A project from Git or an archive on a Debian 13 host, with all that it may ask for; what cannot
be had is refused."""

from __future__ import annotations

import json
import shutil
import urllib.error
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attacks
import projects
import pytest
import repository
from deployed_host import deployed_host
from repository import WANTED, git_inputs, inputs
from systemd_host import INPUTS, SystemdHost, changed, systemd_host

from fixtures import building, places
from fixtures.releases import NEWEST_SUITE

pytestmark = [pytest.mark.host, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return repository.make(tmp_path_factory.mktemp("repository"))


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, shop: Path) -> Iterator[SystemdHost]:
    """A host that serves v1."""
    with deployed_host(NEWEST_SUITE, tmp_path_factory.mktemp("host")) as booted:
        booted.played("site.yml", stack_inputs=git_inputs(shop, "v1"))
        yield booted


def deploy(host: SystemdHost, stack_inputs: dict[str, Any], playbook: str = "deploy.yml") -> str:
    """What a run printed that succeeds."""
    done = host.played(playbook, stack_inputs=stack_inputs)
    return done.stdout


def test_pages_and_commands_have_homes_and_the_programs_of_the_environment(
    host: SystemdHost,
) -> None:
    answer = json.loads(host.page("/places"))
    assert (answer["home"], answer["cache"]) == (
        "/var/cache/stack/app",
        "/var/cache/stack/app/.cache",
    )
    assert (answer["program"], answer["data"]) == (
        "/srv/stack/live/venv/bin/pip",
        "/var/lib/stack-media/data/SHOP_DATA",
    )
    assert answer["path"] == "/srv/stack/live/venv/bin:/usr/local/bin:/usr/bin:/bin"
    told = host.run("stack-manage", "shell", "-c", places.COMMAND).stdout.splitlines()[-1]
    home, path, data, program = told.split()
    assert (home, data) == ("/var/cache/stack/deploy", answer["data"])
    assert path.split(":") == [program.removesuffix("/pip"), "/usr/local/bin", "/usr/bin", "/bin"]


def test_a_page_that_writes_into_the_project_is_told_what_to_do(host: SystemdHost) -> None:
    with pytest.raises(urllib.error.HTTPError, match="500"):
        host.page("/index")
    log = host.run("cat", "/var/log/stack/apache-error.log").stdout
    assert places.remedy("/srv/stack/live/project", "stack_inputs.data") in log


def test_a_database_cannot_sort_otherwise_later(host: SystemdHost, shop: Path) -> None:
    done = host.play("site.yml", stack_inputs={**git_inputs(shop, "v1"), "locale": places.LOCALE})
    assert done.returncode != 0
    said = " ".join(done.stdout.split())
    assert (
        "STACK_LOCALE=icu:de-DE: the database was made with C.UTF-8, and cannot change it." in said
    )
    assert "Nothing was changed." in said


@pytest.fixture(scope="module")
def second(host: SystemdHost, shop: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the run printed that served v2 in the place of v1."""
    assert host.page(projects.MARK) == "one"
    pem = tmp_path_factory.mktemp("secret") / "shop.pem"
    pem.write_text("a key")
    attacks.plant_static(host, "demo")
    wanted = git_inputs(shop, "v2", secret_files={pem.name: str(pem)}, **WANTED)
    return deploy(host, wanted)


def test_a_tag_is_served_with_all_that_it_wants(host: SystemdHost, second: str) -> None:
    assert BUILT in second
    assert host.page(projects.MARK) == "two"
    assert host.run("ls", "-A", f"{attacks.OWNED}-static").stdout == "", (
        "root wrote where deploy had it write"
    )
    assert host.page(building.BUILT) == "2", "the second build of this host, with one cache"
    assert building.is_without_database(host.page(building.REACHED))
    assert host.page("/told") == "N\"L $1|it's 42|a token|a key|Hello, world!"
    assert (
        host.run("stat", "--format=%U %G %a", "/etc/stack-secrets/shop.pem").stdout
        == "root secrets 440\n"
    )


@pytest.mark.usefixtures("second")
@pytest.mark.slow
def test_secrets_of_a_project_are_in_files_and_in_no_environment(
    host: SystemdHost, shop: Path
) -> None:
    """What changes is there at the next deploy, without losing a request."""
    require_secrets_in_files(host)
    changed_token = {**WANTED, "credentials": {"SHOP_TOKEN": "a new one"}}
    host.under_load(lambda: deploy(host, git_inputs(shop, "v2", **changed_token)))
    assert told_token(host) == "a new one"
    assert host.run("ls", "-A", "/etc/stack-secrets/credentials").stdout == "SHOP_TOKEN\n"


@pytest.mark.slow
def test_secrets_are_in_files_on_debian_12_too(shop: Path, tmp_path: Path) -> None:
    """From the first run on; the systemd there is five versions older."""
    with systemd_host("bookworm", tmp_path) as older:
        deploy(older, git_inputs(shop, "v2", **WANTED), "site.yml")
        require_secrets_in_files(older)
        older.reboot()
        assert told_token(older) == "a token"


def require_secrets_in_files(host: SystemdHost) -> None:
    """In the environment of no process as it began, and of no unit; in files for the account of Django alone."""
    assert told_token(host) == "a token"
    variables = host.run(
        "sh", "-c", "cat /proc/[0-9]*/environ | tr '\\0' '\\n' | grep ^SHOP_ | sort -u"
    ).stdout
    assert variables == 'SHOP_COUNTRY=N"L $1\n', "the way of asking works"
    shown = host.run("systemctl", "show", "stack-apache@a", "stack-apache@b").stdout
    assert ("it's 42" in shown, "a token" in shown, "EnvironmentFiles=/etc/stack" in shown) == (
        False,
        False,
        True,
    )
    where = host.run(
        "stack-manage", "shell", "-c", "import os; print(os.environ['SHOP_TOKEN_FILE'])"
    ).stdout.strip()
    assert host.run("ls", where, check=False).returncode != 0, "gone with the command"
    for account, may in {
        "app": True,
        "deploy": False,
        "pooler": False,
        "postgres": False,
        "nobody": False,
    }.items():
        assert (
            attacks.as_account(
                host, account, "cat /run/credentials/stack-apache@*/project_SHOP_TOKEN"
            )
            == may
        )
        assert not attacks.as_account(
            host, account, "cat /etc/stack-secrets/credentials/SHOP_TOKEN"
        )


def told_token(host: SystemdHost) -> str:
    """What a page reads from the file that SHOP_TOKEN_FILE names."""
    return host.page("/told").split("|")[2]


BUILT_BY = {
    "account": "build",
    "groups": ["build"],
    "secret key": "No such file or directory",
    "PostgreSQL": "Permission denied",
    "PgBouncer": "Permission denied",
    "media": "No such file or directory",
    "release": "Read-only file system",
    "environment": [],
}


@pytest.mark.usefixtures("second")
def test_requirements_are_built_by_an_account_that_reaches_nothing(host: SystemdHost) -> None:
    """What their setup.py finds, and as whom the release's code has run since: never as root."""
    assert attacks.results(host) == BUILT_BY
    host.run("stack-manage", "check")
    assert host.run("stack-manage", "stack_verify").returncode == 0
    assert "root" not in attacks.ran_as(host)
    others = ("(", "-not", "-user", "root", "-o", "-perm", "/6000", ")")
    assert host.run("find", "/srv/stack", *others).stdout == ""
    assert host.run("ls", "-A", "/var/lib/stack-build").stdout == ""


@pytest.mark.usefixtures("second")
def test_a_tag_is_gone_back_from(host: SystemdHost) -> None:
    assert host.play("rollback.yml").returncode == 0
    assert host.page(projects.MARK) == "one"


BUILT = "TASK [app : Build it]"
"""in what a run prints that builds a release"""


@pytest.mark.slow
@pytest.mark.parametrize(("version", "mark"), [("next", "two"), ("v1", "one")])
def test_the_same_code_is_the_same_release_by_a_branch_or_a_commit(
    host: SystemdHost, shop: Path, version: str, mark: str
) -> None:
    name = repository.git(shop, "rev-parse", version).strip() if version == "v1" else version
    assert BUILT not in deploy(host, git_inputs(shop, name))
    assert host.page(projects.MARK) == mark


@pytest.mark.parametrize(
    ("kind", "ending", "tag", "mark"),
    [
        ("gztar", ".tar.gz", "v1", "one"),
        pytest.param("zip", ".zip", "v2", "two", marks=pytest.mark.slow),
    ],
)
def test_the_same_code_is_the_same_release_from_an_archive(
    host: SystemdHost, shop: Path, tmp_path: Path, kind: str, ending: str, tag: str, mark: str
) -> None:
    repository.git(shop, "checkout", "--quiet", tag)
    archive = shutil.make_archive(str(tmp_path / "archive"), kind, shop, "shop")
    assert archive.endswith(ending)
    assert BUILT not in deploy(host, inputs(archive))
    assert host.page(projects.MARK) == mark


SOURCE = "stack_inputs.project.source"
HIDDEN = "not-to-be-shown"
REFUSED: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "address": (
        {"source": f"http://shop:{HIDDEN}@127.0.0.1:9/shop.git"},
        (
            f"{SOURCE}: http://127.0.0.1:9/shop.git,",
            "unable to access 'http://127.0.0.1:9/shop.git/'",
        ),
    ),
    "version": (
        {"version": "v9"},
        (SOURCE, "version v9", "tag, branch or commit", "stack_inputs.project.version"),
    ),
    "directory": (
        {"directory": "shop/none"},
        ("stack_inputs.project.directory: shop/none", "manage.py"),
    ),
    "archive": ({"source": "CUT"}, (f"{SOURCE}: ", "archive that is whole")),
}


ANOTHER = "version"
"""refused by the task that refuses an address"""


@pytest.mark.parametrize(
    "case", [pytest.param(name, marks=[pytest.mark.slow] * (name == ANOTHER)) for name in REFUSED]
)
def test_a_source_that_cannot_be_had_is_refused_and_nothing_changes(
    host: SystemdHost, shop: Path, tmp_path: Path, case: str
) -> None:
    wrong, words = REFUSED[case]
    if case == "archive":
        wrong = {"source": str(tmp_path / "cut.tar.gz")}
        (tmp_path / "cut.tar.gz").write_bytes(b"\x1f\x8b\x08 cut off")
    given = git_inputs(shop, "v2")
    given["project"] = {**given["project"], "environment": {"SHOP_COUNTRY": "BE"}, **wrong}
    since, serving = host.now(), host.page(projects.MARK)
    done = host.play("site.yml" if case == "address" else "deploy.yml", stack_inputs=given)
    said = " ".join(done.stdout.split())
    assert done.returncode == 2
    assert "unreachable=0 failed=1" in said
    for word in words:
        assert word in said
    assert HIDDEN not in done.stdout + done.stderr
    assert changed(done) == 0
    assert [
        path for path in host.changed_since(since) if path.startswith(("/etc", "/srv", "/usr"))
    ] == []
    assert host.page(projects.MARK) == serving


@pytest.mark.slow
def test_a_build_that_fails_never_serves(host: SystemdHost, shop: Path) -> None:
    serving = host.page(projects.MARK)
    done = host.play("deploy.yml", stack_inputs=git_inputs(shop, "v2", build=building.FAILS))
    assert done.returncode == 2
    said = " ".join(done.stdout.split())
    assert "STACK_BUILD: manage.py reach --strict: it ended with 1: OperationalError" in said
    assert building.NOWHERE in said
    assert host.page(projects.MARK) == serving


@pytest.mark.slow
def test_requirements_whose_hash_differs_never_serve(host: SystemdHost, tmp_path: Path) -> None:
    project = projects.make(tmp_path / "shop", "three")
    (project / "requirements.txt").write_text(f"sqlparse==0.5.1 --hash=sha256:{'0' * 64}\n")
    serving = host.page(projects.MARK)
    done = host.play("deploy.yml", stack_inputs={**INPUTS, **projects.inputs(project)})
    assert done.returncode == 2
    assert "DO NOT MATCH THE HASHES" in " ".join(done.stdout.split())
    assert host.page(projects.MARK) == serving
