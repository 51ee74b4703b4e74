"""Django's own test suite from its source package, run through PgBouncer in transaction mode."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from fixtures.bare_servers import PORT_POSTGRES
from fixtures.local_stack import CHECKOUT, UNREACHABLE
from fixtures.pooled import Pooled, servers

CACHE = CHECKOUT / ".cache/django-suite"
LAB = CHECKOUT / ".cache/lab"
"""where `make install-dev` puts psycopg 3"""
HERE = Path(__file__).parent
BACKENDS = 5
"""some tests use several connections at a time"""
MEMORY, NEEDED_BYTES = "/dev/shm", 4 * 1024**3
LOCKS = "512"
"""after some tests all tables of the suite are emptied in one statement"""


def source() -> Path:
    """The source package of the pinned Django, checked by its hash. Skips when it cannot be had."""
    pinned = re.search(
        r"(?m)^django==(\S+).*(?:\n +--hash=\S+.*)+",
        (CHECKOUT / "requirements/run.txt").read_text(),
    )
    assert pinned
    package = CACHE / f"django-{pinned[1]}.tar.gz"
    if not package.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        wanted = CACHE / "requirements.txt"
        wanted.write_text(pinned[0].rstrip("\\ "))
        pip = (
            sys.executable,
            "-m",
            "pip",
            "download",
            "-q",
            "--no-deps",
            "--no-binary",
            ":all:",
            "--require-hashes",
        )
        command = [*pip, "-r", str(wanted), "-d", str(CACHE)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if UNREACHABLE.search(done.stderr):
            pytest.skip(
                f"pip cannot get Django's source package: {done.stderr.strip().splitlines()[-1]}. "
                f"Let it reach an index, or put {package.name} into {CACHE}"
            )
        assert done.returncode == 0, done.stderr
    return package


def unpacked(package: Path, directory: Path) -> Path:
    """The directory of its tests."""
    subprocess.run(
        ["tar", "--no-same-owner", "-xzf", str(package), "-C", str(directory)], check=True
    )
    return directory / package.name.removesuffix(".tar.gz") / "tests"


@dataclass
class Run:
    """One run of the suite, with one driver."""

    process: subprocess.Popen[bytes]
    file: Path
    log: Path

    def outcomes(self, seconds: float) -> dict[str, str]:
        """How each test ended: empty when it did as Django expects."""
        self.process.wait(timeout=seconds)
        assert self.file.is_file(), self.log.read_text(errors="replace")[-4000:]
        outcomes: dict[str, str] = json.loads(self.file.read_text())
        return outcomes


@contextmanager
def running(tests: Path, driver: str, place: Path, *labels: str) -> Iterator[Run]:
    """The suite, on servers of its own, until the block ends."""
    with servers(_quick_place(), max_locks_per_transaction=LOCKS) as pooled:
        _rotate(pooled)
        file, log = place / f"{driver}.json", place / f"{driver}.log"
        paths = [*([LAB] if driver == "psycopg" else []), CHECKOUT / "app", HERE]
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("STACK_", "PYTEST_"))
        }
        environment |= {
            "PYTHONPATH": os.pathsep.join(map(str, paths)),
            "SUITE_SOCKETS": str(pooled.directory),
            "SUITE_OUTCOMES": str(file),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        # The databases are kept: the pooler has connections to them, which would be in the way of
        # DROP DATABASE.
        words = (
            sys.executable,
            "runtests.py",
            "--settings=suite_settings",
            "--keepdb",
            "--parallel=1",
            "--noinput",
        )
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*words, *labels], cwd=tests, env=environment, stdout=output, stderr=output
            )
        try:
            yield Run(process, file, log)
        finally:
            process.kill()
            process.wait()


def _quick_place() -> str:
    """Memory where there is enough: emptying all tables makes thousands of files."""
    return (
        MEMORY
        if Path(MEMORY).is_dir() and shutil.disk_usage(MEMORY).free > NEEDED_BYTES
        else "/tmp"
    )


def _rotate(pooled: Pooled) -> None:
    """Serve any database, and have each transaction of a client on another backend than the one
    before."""
    pooled.stop_pooler()
    any_database = f"\n* = host={pooled.directory} port={PORT_POSTGRES}"
    size = str(BACKENDS)
    pooled.start_pooler(
        any_database, default_pool_size=size, max_db_connections=size, server_round_robin="1"
    )
