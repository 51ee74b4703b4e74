"""A dump of somebody's rows, put into a database as the lab does it, on a real PostgreSQL."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fixtures.local_stack import CHECKOUT, LocalStack, owner

pytestmark = pytest.mark.integration
RESTORE = """
import sys
from pathlib import Path
from loadtest.lab import restoring
from pgstack.errors import ends_the_process
from pgstack.planning.plan import Plan
plan = Plan.model_validate_json(Path(sys.argv[1]).read_bytes())
other = plan.postgres.model_copy(update={"database": sys.argv[2]})
with ends_the_process():
    restoring.restore(Path(sys.argv[3]), plan.model_copy(update={"postgres": other}))
"""


def run(stack: LocalStack, *words: str) -> subprocess.CompletedProcess[str]:
    """As the account of the stack, which PostgreSQL knows."""
    path = os.pathsep.join((str(CHECKOUT), str(CHECKOUT / "app")))
    return subprocess.run(
        owner(stack.directory, list(words)),
        env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def restored(stack: LocalStack, database: str, dump: Path) -> subprocess.CompletedProcess[str]:
    plan = str(stack.directory / "conf/plan.json")
    return run(stack, sys.executable, "-c", RESTORE, plan, database, str(dump))


@pytest.mark.parametrize("form", ["custom", "plain"])
def test_a_dump_becomes_rows_of_the_role_that_owns_the_schema(stack: LocalStack, form: str) -> None:
    database, dump = f"copy_{form}", stack.directory / "media" / f"{form}.dump"
    where = [f"--host={stack.directory}/run/postgres", "--username=postgres", "--dbname=app"]
    words = [f"--format={form}", "--no-owner", "--no-privileges", f"--file={dump}"]
    made = run(stack, "pg_dump", *where, *words, "--no-comments")
    assert made.returncode == 0, made.stderr
    stack.sql(f"CREATE DATABASE {database} OWNER app_owner")
    bare = ["psql", "-XqAt", *where[:2], f"--dbname={database}", "-c"]
    # The stack makes it, as a superuser; a dump of a stack names it.
    assert run(stack, *bare, "CREATE EXTENSION pg_stat_statements").returncode == 0
    try:
        done = restored(stack, database, dump)
        assert (done.returncode, done.stderr) == (0, "")
        again = restored(stack, database, dump)  # what is there already
        assert again.returncode == 2
        assert again.stderr.startswith(f"DUMP={dump}: it cannot be restored: ")
        assert "already exists" in again.stderr
        assert again.stderr.count("\n") == 1
        owners = run(stack, *bare, "SELECT tableowner FROM pg_tables WHERE tablename = 'world'")
        rows = run(stack, *bare, "SELECT count(*) FROM world")
        assert (owners.stdout, rows.stdout) == ("app_owner\n", "10000\n")
    finally:
        stack.sql(f"DROP DATABASE {database}")
