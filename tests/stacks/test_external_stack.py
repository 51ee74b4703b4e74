"""A local stack on a PostgreSQL that is somebody else's: STACK_DATABASE_URL."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures import certificates, local_stack
from fixtures.external_server import PASSWORD, Server, without_tls
from fixtures.local_stack import LocalStack
from fixtures.steady_load import under_load
from pgstack.ports import free_port

MORE = {
    "STACK_EXTENSIONS": "pg_trgm",
    "STACK_SCHEDULE": "look=every 5m manage.py check",
    "STACK_WORKERS": f"tick=python {local_stack.CHECKOUT}/tests/fixtures/task_worker.py",
    # Pages wait for a sixth of it: on a busy machine a restart takes seconds.
    "STACK_REQUEST_TIMEOUT": "60",
}
USERS = 8
"""of the load; each may have a transaction at a time"""


@pytest.fixture(scope="module")
def external_stack(external_server: Server) -> Iterator[LocalStack]:
    """Up, with roles and an extension that it made, and work beside pages."""
    external_server.clear()
    with local_stack.started(**external_server.inputs(), **MORE) as running:
        yield running


def test_no_postgresql_of_the_stack_runs(external_stack: LocalStack) -> None:
    assert sorted(external_stack.servers()) == ["apache2", "pgbouncer", "supervisord"]
    assert not (external_stack.directory / "data").exists()


def test_status_names_the_server(external_stack: LocalStack, external_server: Server) -> None:
    # The scheduler has seen its entry a moment after the start.
    external_stack.wait_until(
        lambda: external_stack.manage("stack_local", "status").returncode == 0
    )
    told = external_stack.manage("stack_local", "status")
    assert told.stdout.split()[:5] == [
        *("database", "NOT", "OURS", f"127.0.0.1:{external_server.port}", "answers")
    ]


def test_verify_holds_and_says_what_nobody_can_prove(external_stack: LocalStack) -> None:
    told = external_stack.manage("stack_verify", "--json")
    findings = {finding["check"]: finding for finding in json.loads(told.stdout)}
    wrong = [finding for finding in findings.values() if finding["holds"] is False]
    assert (told.returncode, wrong) == (0, []), f"{wrong}{told.stderr}"
    keeper = findings["what its administrator knows"]
    assert keeper["holds"] is None
    assert "unproven of 127.0.0.1: its backups" in keeper["detail"]
    assert findings["connections are encrypted"]["holds"]
    assert findings["extensions are there"]["detail"].startswith("pg_trgm 1")
    assert findings["workers run as planned"]["holds"]
    assert findings["workers have their own pool"]["holds"]
    assert findings["server grants what is needed"]["holds"]


def test_verify_finds_what_was_taken_away(
    external_stack: LocalStack, external_server: Server
) -> None:
    """A right, and connections."""
    external_server.run("REVOKE pg_monitor FROM app_monitor")
    external_server.run("ALTER DATABASE site CONNECTION LIMIT 9")
    try:
        told = external_stack.manage("stack_verify", "--json")
    finally:
        external_server.run("GRANT pg_monitor TO app_monitor")
        external_server.run("ALTER DATABASE site CONNECTION LIMIT -1")
    wrong = {
        finding["check"]: finding["detail"]
        for finding in json.loads(told.stdout)
        if not finding["holds"]
    }
    assert "GRANT pg_monitor TO app_monitor;" in wrong["roles have their rights"]
    assert "9 of the database" in wrong["server grants what is needed"]


def test_no_password_is_in_plan_files_environment_or_command_line(
    external_stack: LocalStack,
) -> None:
    """Neither the login's nor those of the roles."""
    root = external_stack.directory
    kept = sorted((root / "database/passwords").iterdir())
    assert [path.name for path in kept] == ["app", "app_monitor", "app_owner"]
    words = [PASSWORD, *(path.read_text().strip() for path in kept)]
    texts = {
        path: path.read_text(errors="replace")
        for place in ("conf", "log", "supervisord.conf")
        for path in [root / place, *(root / place).rglob("*")]
        if path.is_file()
    }
    for process in external_stack.processes():
        texts[Path(f"/proc/{process.pid}")] = f"{process.cmdline()} {process.environ()}"
    assert [str(path) for path, text in texts.items() if any(word in text for word in words)] == []
    secrets = [*kept, root / "database/userlist.txt", root / "database/pgpass"]
    assert {oct(path.stat().st_mode & 0o777) for path in secrets} == {"0o400"}


def test_a_second_start_changes_nothing(
    external_stack: LocalStack, external_server: Server
) -> None:
    """Though others come and go there, the plan stays as long as it fits."""
    before = external_stack.servers()
    with subprocess.Popen(
        [*external_server.psql(), "-c", "SELECT pg_sleep(60)"], stdout=subprocess.DEVNULL
    ) as other:
        told = external_stack.manage("stack_local", "up")
        other.kill()
    assert told.returncode == 0, told.stderr
    assert "rendered  0 files changed" in told.stdout
    assert external_stack.servers() == before


def test_a_start_that_is_refused_changes_no_file(
    external_stack: LocalStack, external_server: Server
) -> None:
    """Of what runs, though it was for another database."""
    places = ("conf", "database", "supervisord.conf")
    there = [path for name in places for path in (external_stack.directory / name).rglob("*")]
    before = {path: path.read_bytes() for path in there if path.is_file()}
    url = external_server.url.replace("dba@", "plain@").replace("/site", "/postgres")
    refused = external_stack.manage("stack_local", "up", **external_server.inputs(url))
    assert (refused.returncode, "in the database postgres" in refused.stderr) == (2, True)
    assert {path: path.read_bytes() for path in before} == before
    assert external_stack.manage("stack_verify").returncode == 0


def test_a_reload_that_is_refused_changes_no_file(
    external_stack: LocalStack, external_server: Server
) -> None:
    kept = external_stack.directory / "database/authority.pem"
    before, authority = kept.read_bytes(), external_server.directory / "longer.pem"
    authority.write_bytes(before + b"\n")
    url = f"{external_server.place}?sslrootcert={authority}"
    inputs = {**external_server.inputs(url), "STACK_THREADS": "3"}
    refused = external_stack.manage("stack_local", "reload", **inputs)
    assert "Nothing was changed." in refused.stderr
    assert kept.read_bytes() == before


@pytest.mark.slow
def test_a_reload_brings_changed_inputs_into_force(external_stack: LocalStack) -> None:
    """Under load, without a request lost; and one that does not fit changes nothing."""
    refused = external_stack.manage("stack_local", "reload", STACK_POOL_SIZE="60")
    assert refused.returncode == 2
    assert "connections that the server grants: 78 through PgBouncer + 7 past it" in refused.stderr
    own = {"STACK_DATABASE_URL": "", "STACK_DATABASE_PASSWORD_FILE": ""}
    other = external_stack.manage("stack_local", "reload", **own)
    assert other.returncode == 2
    assert "pages work with another database" in other.stderr
    done = under_load(
        external_stack.url,
        "127.0.0.1",
        lambda: external_stack.manage("stack_local", "reload", STACK_POOL_SIZE="4"),
    )
    assert done.returncode == 0, done.stderr
    told = external_stack.manage("stack_verify", STACK_POOL_SIZE="4")
    assert told.returncode == 0, told.stdout


def test_ended_connections_cost_what_they_cut_off(
    external_stack: LocalStack, external_server: Server
) -> None:
    """Its keeper ends all of the stack's connections while pages are asked for."""
    ended = under_load(external_stack.url, "127.0.0.1", external_server.end_connections, cut=USERS)
    assert ended > 0


def test_a_restart_costs_what_it_cuts_off(
    external_stack: LocalStack, external_server: Server
) -> None:
    """Nobody holds requests back for it: they wait in the web processes, but for those whose
    transaction it ends."""
    under_load(external_stack.url, "127.0.0.1", external_server.restart, cut=USERS)


def test_a_server_that_is_away_is_told(external_stack: LocalStack, external_server: Server) -> None:
    told = []
    external_server.restart(lambda: told.append(external_stack.manage("stack_local", "status")))
    assert told[0].returncode == 1
    assert told[0].stdout.split()[:4] == [
        *("database", "NOT", "OURS", f"127.0.0.1:{external_server.port}:")
    ]
    external_stack.wait_until(external_stack.answers)


def require_whole(refused: LocalStack) -> None:
    """Passwords that others may have been given verifiers of are kept, with the plan that they are
    for: nothing runs, and a later command knows what it is."""
    assert sorted(path.name for path in (refused.directory / "database/passwords").iterdir()) == [
        *("app", "app_monitor", "app_owner")
    ]
    told = refused.manage("stack_local", "status")
    assert (told.returncode, refused.servers()) == (1, {}), told.stderr


def test_what_an_administrator_has_to_run_is_all_that_it_takes(
    external_server: Server, unused: LocalStack
) -> None:
    """The login may not make roles; the printed statements know the passwords that the stack
    has."""
    external_server.clear()
    inputs = external_server.inputs(external_server.url.replace("dba@", "plain@"))
    refused = unused.manage("stack_local", "up", **inputs)
    assert refused.returncode == 2
    assert "plain may not create roles there. Its administrator has to run" in refused.stderr
    require_whole(unused)
    external_server.run(refused.stderr.split("\n\n")[1], user="dba")
    done = unused.manage("stack_local", "up", **inputs)
    assert done.returncode == 0, done.stderr
    assert "roles in place" in done.stdout


def test_roles_of_another_site_are_left_alone(external_server: Server, unused: LocalStack) -> None:
    external_server.clear()
    external_server.run(f"CREATE ROLE app LOGIN PASSWORD '{PASSWORD}'")
    kept = "SELECT rolpassword FROM pg_authid WHERE rolname = 'app'"
    before = external_server.run(kept)
    told = unused.manage("stack_local", "up", **external_server.inputs())
    assert told.returncode == 2
    assert "app: there already, with another password" in told.stderr
    assert (external_server.run(kept), external_server.roles()) == (before, "app")
    require_whole(unused)


def test_a_server_without_tls_is_refused(external_server: Server, unused: LocalStack) -> None:
    with without_tls() as port:
        url = external_server.url.replace(str(external_server.port), str(port))
        told = unused.manage("stack_local", "up", **external_server.inputs(url))
    assert told.returncode == 2
    assert "Have TLS switched on there" in told.stderr
    assert len(told.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("change", "password", "said"),
    [
        (("", ""), "wrong", "Fix the login"),
        (("server.pem", "other.pem"), PASSWORD, "Name its authority"),
        (("server.pem", "none.pem"), PASSWORD, "it cannot be read"),
        (("dba@", "dba:word@"), PASSWORD, "the URL holds a password"),
        (("dba@", "plain@"), PASSWORD, "plain may not create roles there"),
        (("PORT", "FREE"), PASSWORD, "check that a firewall"),
    ],
)
def test_what_cannot_be_used_is_refused_before_anything_runs(
    external_server: Server,
    unused: LocalStack,
    change: tuple[str, str],
    password: str,
    said: str,
) -> None:
    other = external_server.directory / "other.pem"
    made = certificates.openssl("IP:127.0.0.1", external_server.directory / "other.key", other)
    subprocess.run(made, check=True, capture_output=True)
    before, after = (str(external_server.port), str(free_port())) if change[0] == "PORT" else change
    url = external_server.url.replace(before, after) if before else external_server.url
    external_server.clear()
    inputs = external_server.inputs(url)
    external_server.password_file(password)
    told = unused.manage("stack_local", "up", **inputs)
    external_server.password_file()
    assert told.returncode == 2, told.stdout + told.stderr
    assert said in told.stderr
    assert "word@" not in told.stderr
    assert external_server.roles() == ""
    assert unused.servers() == {}
    if "may not create roles" in said:
        deleted = unused.manage("stack_local", "delete")
        assert (deleted.returncode, unused.directory.exists()) == (0, False), deleted.stderr
    else:
        assert not (unused.directory / "conf/plan.json").exists()
