"""A restore that fails says why, and leaves the rows of before where they were."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
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


def target(stack: LocalStack) -> together.Stack:
    """A database beside the one that is served."""
    programs = tuple(owner(stack.directory, []))
    sockets = str(stack.directory / "run/postgres")
    return together.Stack(NAME, "postgres", sockets, "/dev/null", str(stack.directory), programs)


def test_the_reason_is_said_while_a_session_remains(
    stack: LocalStack, kept: tuple[Repository, together.Kept]
) -> None:
    trial = target(stack)
    trial.sql(f"CREATE DATABASE {NAME}")
    session = stack.psql("SELECT pg_sleep(60)", NAME)
    try:
        busy = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{NAME}'"
        stack.wait_until(lambda: trial.sql(busy) == "1")
        began = time.monotonic()
        with pytest.raises(TargetError, match=REASON):
            together.bring_back(trial, *kept, print)
        assert time.monotonic() - began < 60
    finally:
        session.kill()
        session.communicate()
        trial.sql(f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)")


def test_the_rows_of_before_are_there_again(
    stack: LocalStack, kept: tuple[Repository, together.Kept]
) -> None:
    trial = target(stack)
    trial.sql(f"CREATE DATABASE {NAME}")
    try:
        trial.sql("CREATE TABLE before AS SELECT 4711 AS number", NAME)
        # The script of roles, which is none here, makes no other database in its place.
        with pytest.raises(TargetError, match=REASON):
            together.bring_back(trial, *kept, print)
        assert trial.sql("SELECT number FROM before", NAME) == "4711"
    finally:
        trial.sql(f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)")
