"""A newcomer on Debian 12 or 13 without anything: one command, and a page arrives."""

from __future__ import annotations

import json
import platform
import re
import subprocess
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bare_machine import CHECKOUT, BareMachine, bare_machine, bundle

from fixtures.releases import BY_SUITE, NEWEST_SUITE, SUITES

pytestmark = pytest.mark.bare

HOME = "/srv/project"
URL = "http://localhost:8000/"
USER = "newcomer"
OWN = f"/home/{USER}/project"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project, ready to be cloned."""
    return bundle(tmp_path_factory.mktemp("project"))


HERE = platform.freedesktop_os_release().get("VERSION_CODENAME")
"""release of the machine that runs the tests: what it has done by then, `make up` among it, is not
shown again on a bare one before `make test-slow`"""
RELEASES = [
    pytest.param(suite, marks=[pytest.mark.slow] if suite == HERE else []) for suite in SUITES
]


@pytest.fixture(scope="module", params=RELEASES)
def machine(request: pytest.FixtureRequest, project: Path) -> Iterator[BareMachine]:
    """A bare machine of each release, with the project cloned and an ordinary user."""
    with bare_machine(request.param, project) as bare:
        bare.clone(HOME)
        assert bare.run(f"useradd --create-home {USER}").returncode == 0
        yield bare
        print(f"\n{bare.suite}: {bare.seconds}")


@pytest.fixture(scope="module")
def refused(machine: BareMachine) -> subprocess.CompletedProcess[str]:
    """`make up` of an ordinary user while the machine is still bare."""
    machine.clone(OWN, USER)
    return machine.make("up", OWN, user=USER, what="refusal")


@pytest.fixture(scope="module")
def up(machine: BareMachine, refused: object) -> subprocess.CompletedProcess[str]:
    """The first `make up`, by root."""
    return machine.make("up", HOME, what="first make up")


@pytest.fixture(scope="module")
def own(machine: BareMachine, up: object) -> subprocess.CompletedProcess[str]:
    """`make up` of the ordinary user, once root has installed the packages from this very
    directory."""
    assert machine.make("packages", OWN).returncode == 0
    return machine.make("up", OWN, user=USER, STACK_PORT="8001")


@pytest.fixture(scope="module")
def other_release(machine: BareMachine, up: object) -> str:
    """A developer's checkout, where the machine has other servers than the one that runs the
    tests."""
    if machine.suite == HERE:
        pytest.skip("the tests themselves run on the servers of that release")
    machine.make("down", HOME)  # the lab starts two stacks, and the machine is small
    checkout = f"/home/{USER}/tests"
    machine.clone(checkout, USER)
    installed = machine.make("install-dev", checkout, user=USER)
    assert installed.returncode == 0, installed.stderr
    return checkout


@pytest.fixture
def note(machine: BareMachine, record_property: Callable[[str, object], None]) -> Iterator[None]:
    """The times so far, as a property of the test."""
    yield
    record_property("seconds", str(machine.seconds))


def columns(text: str) -> list[str]:
    """First word of each line."""
    return [line.split()[0] for line in text.splitlines()]


def shown_in_readme() -> str:
    """What the README says that `make up` prints on a bare Debian 12 machine."""
    blocks = re.findall(r"((?:^    \S.*\n)+)", (CHECKOUT / "README.md").read_text(), re.MULTILINE)
    (shown,) = (block for block in blocks if "ready " in block)
    return textwrap.dedent(shown).replace("…", HOME)


def test_user_on_a_bare_machine_is_told_the_one_command(
    refused: subprocess.CompletedProcess[str],
) -> None:
    assert refused.returncode == 2
    assert refused.stderr.splitlines()[0] == (
        "bootstrap: python3 is missing. As root, in this directory: make packages"
    )


@pytest.mark.usefixtures("note")
def test_one_command_brings_the_page(
    machine: BareMachine, up: subprocess.CompletedProcess[str]
) -> None:
    assert (up.returncode, up.stderr) == (0, "")
    assert up.stdout.splitlines()[-1] == f"ready     {URL}"
    assert "<h1" in machine.page(URL)
    assert machine.page(f"{URL}readyz")


def test_readme_shows_what_make_up_prints(
    machine: BareMachine, up: subprocess.CompletedProcess[str]
) -> None:
    shown = shown_in_readme()
    postgresql = f"postgresql-{BY_SUITE[machine.suite].postgresql}"
    shown = shown.replace("postgresql-15", postgresql)
    if machine.suite != SUITES[0]:  # PgBouncer has a file of identities since 1.23
        shown = shown.replace("14 files", "15 files")
    assert up.stdout == shown


def test_installing_starts_no_service_of_the_distribution(
    machine: BareMachine, up: subprocess.CompletedProcess[str]
) -> None:
    assert machine.run("ls /etc/postgresql/*/main").returncode == 2
    assert machine.run("ls /usr/sbin/policy-rc.d").returncode == 2
    accounts = set(machine.run("stat --format=%U /proc/[0-9]*").stdout.split())
    assert accounts == {"root", "pgstack"}


@pytest.mark.usefixtures("up", "note")
def test_verify_and_status_are_green(machine: BareMachine) -> None:
    verified = machine.make("verify", HOME)
    assert (verified.returncode, verified.stderr) == (0, "")
    status = machine.make("status", HOME)
    servers = [
        "apache",
        "RUNNING",
        "guard",
        "RUNNING",
        "metrics",
        "RUNNING",
        "pgbouncer",
        "RUNNING",
        "postgres",
        "RUNNING",
    ]
    words = status.stdout.split()
    assert words[: len(servers)] == servers
    assert " ".join(words).endswith(f"page {URL} verdict ok: all is well next Nothing to do.")


@pytest.mark.usefixtures("up", "note")
def test_second_start_installs_nothing(machine: BareMachine) -> None:
    assert machine.make("down", HOME).returncode == 0
    again = machine.make("up", HOME, what="second make up")
    assert (again.returncode, again.stderr) == (0, "")
    assert columns(again.stdout) == ["rendered", "postgres", "database", "ready"]
    assert "<h1" in machine.page(URL)


@pytest.mark.usefixtures("note")
@pytest.mark.slow
def test_ordinary_user_has_a_stack_of_their_own(
    machine: BareMachine, own: subprocess.CompletedProcess[str]
) -> None:
    assert (own.returncode, own.stderr) == (0, "")
    assert columns(own.stdout) == ["python", "rendered", "initdb", "postgres", "database", "ready"]
    assert "<h1" in machine.page("http://localhost:8001/")
    assert machine.make("verify", OWN, user=USER).returncode == 0
    assert machine.run(f"stat -c %U {OWN}/.stack/data").stdout.strip() == USER


@pytest.mark.usefixtures("own")
@pytest.mark.slow
def test_root_in_the_checkout_of_a_user_runs_the_stack_as_that_user(machine: BareMachine) -> None:
    assert machine.make("down", OWN, what="root in a user's checkout: down").returncode == 0
    assert machine.run(f"rm -r {OWN}/.stack").returncode == 0
    up = machine.make("up", OWN, what="root in a user's checkout: up", STACK_PORT="8001")
    assert (up.returncode, up.stderr) == (0, "")
    assert machine.run(f"stat -c %U {OWN}/.stack/data").stdout.strip() == USER
    assert machine.make("down", OWN, user=USER).returncode == 0


@pytest.mark.usefixtures("up", "note")
@pytest.mark.slow
def test_checkout_in_the_home_of_root_is_refused_with_two_commands_that_work(
    machine: BareMachine,
) -> None:
    machine.clone("/root/closed")
    refused = machine.make("up", "/root/closed")
    assert refused.returncode == 2
    message = refused.stderr.splitlines()
    assert message[0] == (
        "reach: the stack does not run as root, and other accounts may not enter /root."
    )
    commands = [message[1].removeprefix("  Run: "), message[2].strip()]
    assert commands == ["mv /root/closed /srv/closed", "cd /srv/closed && make up"]
    assert machine.run("ls -A /root/closed/.stack /root/closed/.venv").stdout == ""
    followed = machine.run("\n".join(commands), STACK_PORT="8003")
    assert followed.returncode == 0, followed.stderr
    assert "<h1" in machine.page("http://localhost:8003/")
    assert machine.run("stat -c %a /root").stdout == "700\n"
    assert machine.make("verify down", "/srv/closed").returncode == 0


@pytest.mark.usefixtures("up")
def test_a_name_that_is_taken_in_srv_is_not_named(machine: BareMachine) -> None:
    machine.run("mkdir /srv/taken")
    machine.clone("/root/taken")
    refused = machine.make("up", "/root/taken")
    assert refused.returncode == 2
    assert (
        "  Run: mv /root/taken /srv/taken-2\n       cd /srv/taken-2 && make up\n" in refused.stderr
    )
    assert machine.run("ls -d /root/taken/app /srv/taken/app").stdout == "/root/taken/app\n"


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("note")
def test_load_lab_runs_prepared_statements_through_a_pooler_that_knows_them(
    machine: BareMachine, other_release: str
) -> None:
    if machine.suite != NEWEST_SUITE:
        pytest.skip("PgBouncer 1.18 of Debian 12 knows no prepared statements")
    asked = {"STRATEGIES": "pgbouncer-prepared", "BLOCKS": "1", "SECONDS": "1", "SEED": "1"}
    done = machine.make("loadtest", other_release, user=USER, what="make loadtest", **asked)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "pgbouncer-prepared" in done.stdout
    assert "All 4 trials are valid." in done.stdout
    results = json.loads(machine.run(f"cat {other_release}/loadtest/results/*/results.json").stdout)
    counts = {
        trial["label"]: (trial["parses"], trial["sent"])
        for trial in results["trials"]
        if not trial["companion"]
    }
    parses, sent = counts["pgbouncer-prepared"]
    assert 0 < parses < sent / 10, "each backend parses each statement once"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_hazards_and_fixes_are_the_same_with_the_servers_of_the_other_release(
    machine: BareMachine, other_release: str
) -> None:
    files = "tests/integration/test_hazards_*.py tests/integration/test_cached_plans.py"
    words = f".venv/bin/python -m pytest -q -p no:cacheprovider {files}"
    done = machine.run(words, user=USER, directory=other_release)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    print(done.stdout[-2000:])
