"""`python -m pgstack database` against a PostgreSQL with TLS and SCRAM whose administrator is no
superuser, as managed services have it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fixtures import certificates
from fixtures.external_server import PASSWORD, Server
from pgstack.ports import free_port

APP = Path(__file__).parents[2] / "app"


def check(server: Server, url: str, password: str = PASSWORD) -> subprocess.CompletedProcess[str]:
    """What the command says."""
    words = ["-m", "pgstack", "database", url, f"--password-file={server.password_file(password)}"]
    inputs = {"STACK_CORES": "2", "STACK_MEMORY": "2g", "STACK_DIR": str(server.directory)}
    return subprocess.run(
        [sys.executable, *words],
        check=False,
        env={**os.environ, **inputs},
        cwd=APP,
        capture_output=True,
        text=True,
        timeout=60,
    )


TAKEN_AWAY = {
    "REVOKE CREATE ON SCHEMA public FROM app_owner": "GRANT USAGE, CREATE ON SCHEMA public",
    "ALTER DEFAULT PRIVILEGES FOR ROLE app_owner REVOKE ALL ON TABLES FROM app": "ON TABLES TO app;",
    "REVOKE pg_monitor FROM app_monitor": "GRANT pg_monitor TO app_monitor;",
    "ALTER ROLE app RESET statement_timeout": "ALTER ROLE app SET statement_timeout",
}
"""what is missing then, and what is printed"""


@pytest.fixture(scope="module")
def server(external_server: Server) -> Server:
    """Nobody has used it."""
    external_server.clear()
    return external_server


def test_the_printed_statements_are_all_that_it_takes(server: Server) -> None:
    """An administrator who may create roles runs what was printed; then nothing is left."""
    before = check(server, server.url)
    assert before.returncode == 1, before.stdout + before.stderr
    assert "fails" not in before.stdout
    assert "this login may run them" in before.stdout
    assert "unproven  its backups" in before.stdout
    assert server.run("SELECT count(*) FROM pg_roles WHERE rolname LIKE 'app%'").strip() == "0"
    script = before.stdout.split("\n\n")[1]
    lines = [line for line in script.splitlines() if not line.startswith("\\password")]
    server.run("\n".join(lines), user="dba")
    after = check(server, server.url)
    assert after.returncode == 0, after.stdout + after.stderr

    plain = check(server, server.url.replace("dba@", "plain@"))
    assert plain.returncode == 0, plain.stdout + plain.stderr

    for taken, printed in TAKEN_AWAY.items():
        server.run(taken)
        refused = check(server, server.url.replace("dba@", "plain@"))
        assert refused.returncode == 1, taken
        assert "its administrator has to" in refused.stdout
        assert printed in refused.stdout
        server.run(refused.stdout.split("\n\n")[1])


def test_too_few_connections_are_shown_with_the_arithmetic(server: Server) -> None:
    """A limit of the database is one that nobody sees until it is reached."""
    server.run("ALTER DATABASE site CONNECTION LIMIT 4")
    try:
        told = check(server, server.url)
    finally:
        server.run("ALTER DATABASE site CONNECTION LIMIT -1")
    assert told.returncode == 1
    assert "needed, 4 granted (4 of the database - 0 in use by others)" in told.stdout


@pytest.mark.parametrize(
    ("change", "password", "said"),
    [
        (("", ""), "wrong", "Fix the login"),
        (("server.pem", "other.pem"), PASSWORD, "Name its authority"),
        (("127.0.0.1", "localhost"), PASSWORD, "Use the name that its certificate carries"),
        (("dba@", "old@"), PASSWORD, "Have it store and ask for SCRAM-SHA-256"),
        (("/site", "/sight"), PASSWORD, "Fix the name in the URL"),
        (("postgresql:", "postgresq:"), PASSWORD, "does not begin with postgresql://"),
        (("dba@", "dba:word@"), PASSWORD, "the URL holds a password"),
        (("?sslrootcert", "?sslmode=prefer&sslrootcert"), PASSWORD, "sslmode=prefer: anybody"),
    ],
)
def test_what_cannot_be_asked_is_one_message(
    server: Server, change: tuple[str, str], password: str, said: str
) -> None:
    """Its reason, the remedy, and no password."""
    other = server.directory / "other.pem"
    made = certificates.openssl("IP:127.0.0.1", os.devnull, other)
    subprocess.run(made, check=True, capture_output=True)
    told = check(server, server.url.replace(*change) if change[0] else server.url, password)
    assert (told.returncode, told.stdout) == (2, "")
    assert said in told.stderr
    assert len(told.stderr.splitlines()) == 1
    assert "word@" not in told.stderr


def test_a_server_without_a_checked_certificate_is_not_proven(server: Server) -> None:
    """`require` is taken at its word, and said."""
    told = check(server, server.url.replace("?", "?sslmode=require&"))
    assert "unproven  that it is the server that it seems to be" in told.stdout
    assert "that it seems to be" not in check(server, server.url).stdout


def test_nobody_there_is_said(server: Server) -> None:
    """A port that nobody listens on."""
    told = check(server, server.url.replace(f":{server.port}", f":{free_port()}"))
    assert told.returncode == 2
    assert "check that a firewall" in told.stderr


def test_a_password_that_others_may_read_is_refused(server: Server) -> None:
    """Before anything is asked."""
    file = server.directory / "password"
    file.touch()
    file.chmod(0o644)
    try:
        told = check(server, server.url)
    finally:
        file.chmod(0o600)
    assert told.returncode == 2
    assert "others may read or write it" in told.stderr
