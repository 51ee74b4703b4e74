"""Stacks for drills that the stack as it comes cannot have."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from drills import hangs
from fixtures.local_stack import CHECKOUT, LocalStack, started
from fixtures.machine import disk


@pytest.fixture(scope="package")
def hanging() -> Iterator[LocalStack]:
    """The demo with pages that hang."""
    with tempfile.TemporaryDirectory(prefix="project-", dir="/var/tmp") as name:
        place = Path(name)
        place.chmod(0o755)
        for part in ("config", "demo"):
            shutil.copytree(
                CHECKOUT / "app" / part, place / part, ignore=shutil.ignore_patterns("__pycache__")
            )
        urls = place / "config/urls.py"
        urls.write_text(urls.read_text() + hangs.PAGES)
        inputs = {"STACK_SETTINGS": "config.settings", "STACK_COMMANDS": "seed"}
        with started(
            STACK_PROJECT=name, STACK_REQUEST_TIMEOUT=str(hangs.LONGEST), **inputs
        ) as running:
            yield running


@pytest.fixture(scope="package")
def small_wal() -> Iterator[LocalStack]:
    """A stack whose WAL has a small disk of its own."""
    with started() as running:
        assert running.manage("stack_local", "down").returncode == 0
        place = running.directory / "data/pg_wal"
        aside = place.rename(place.with_name("pg_wal.aside"))
        place.mkdir()
        shutil.copystat(aside, place)
        owner = aside.stat()
        with disk(place, f"size=192m,mode=700,uid={owner.st_uid},gid={owner.st_gid}"):
            shutil.copytree(aside, place, dirs_exist_ok=True)
            for path in (place, *place.rglob("*")):
                shutil.chown(path, owner.st_uid, owner.st_gid)
            shutil.rmtree(aside)
            assert running.manage("stack_local", "up").returncode == 0
            yield running
            assert running.manage("stack_local", "down").returncode == 0
