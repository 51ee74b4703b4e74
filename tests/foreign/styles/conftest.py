"""One local stack for the modules of this directory, which one worker of pytest runs."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures import foreign, places
from fixtures.local_stack import LocalStack, started


@pytest.fixture(scope="package")
def place() -> Iterator[Path]:
    """A directory that the stack's account may enter."""
    with tempfile.TemporaryDirectory(prefix="project-", dir="/var/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="package")
def stack(place: Path) -> Iterator[LocalStack]:
    project = foreign.make(place / "first")
    with started(
        STACK_PROJECT=str(project), STACK_DATA=places.VARIABLE, STACK_LOCALE=places.LOCALE
    ) as running:
        yield running
