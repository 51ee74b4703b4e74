"""A restore that fails says why, and leaves the rows of before where they were."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fixtures.local_stack import LocalStack, owner
from pgstack.errors import TargetError
from pgstack.ops import together
from pgstack.ops.restic import Repository

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        not shutil.which("restic"), reason="restic is missing; apt-get install restic"
    ),
]
NAME = "trial"
REASON = "input file does not appear to be a valid archive"
"""what pg_restore says of a file that is no dump"""


@pytest.fixture
def kept() -> Iterator[tuple[Repository, together.Kept]]:
    """A backup whose dump cannot be read."""
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "media").mkdir()
        repository = Repository(f"{name}/backups", {"RESTIC_PASSWORD": "x"})
        repository.make()
        rows = repository.save_output(["echo", "no dump"], together.DUMP)
        files = repository.save([Path(name) / "media"])
        yield repository, together.Kept("once", rows, files)


@contextmanager
def session(stack: LocalStack) -> Iterator[None]:
    """Somebody in that database."""
    busy = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{NAME}'"
    with stack.psql("SELECT pg_sleep(60)", NAME) as process:
        try:
            stack.wait_until(lambda: stack.sql(busy) == "1")
            yield
        finally:
            process.kill()


@pytest.fixture
def trial(stack: LocalStack) -> Iterator[together.Stack]:
    """A database beside the one that is served."""
    programs = tuple(owner(stack.directory, []))
    sockets = str(stack.directory / "run/postgres")
    made = together.Stack(
        tree=str(stack.directory),
        database=NAME,
        admin="postgres",
        sockets=sockets,
        roles="/dev/null",
        programs=programs,
    )
    made.sql(f"CREATE DATABASE {NAME}")
    yield made
    made.sql(f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)")


def test_the_reason_is_said_while_a_session_remains(
    stack: LocalStack, trial: together.Stack, kept: tuple[Repository, together.Kept]
) -> None:
    with session(stack), pytest.raises(TargetError, match=REASON):
        together.bring_back(trial, *kept, print)


def test_the_rows_of_before_are_there_again(
    stack: LocalStack, trial: together.Stack, kept: tuple[Repository, together.Kept]
) -> None:
    trial.sql("CREATE TABLE before AS SELECT 4711 AS number", NAME)
    # The script of roles, which is none here, makes no other database in its place.
    with session(stack), pytest.raises(TargetError, match=f'database "{NAME}" does not exist'):
        together.bring_back(trial, *kept, print)
    assert trial.sql("SELECT number FROM before", NAME) == "4711"
