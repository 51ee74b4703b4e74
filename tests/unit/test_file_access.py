"""One thread of root's that opens files as a lesser account may, and the others as before."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from stackctl import system

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root opens files as another account; run the tests as root"
)


def test_one_thread_may_less_and_the_others_as_much_as_before(tmp_path: Path) -> None:
    """`stackctl status` asks all servers at once, each from a thread of its own."""
    file = tmp_path / "secret"
    file.write_text("ours")
    file.chmod(0o600)
    inside, read = Barrier(2, timeout=10), Barrier(2, timeout=10)

    def lesser() -> str:
        with system.file_access("nobody"):
            inside.wait()
            read.wait()
            with pytest.raises(PermissionError):
                file.read_text()
        return file.read_text()

    def root() -> str:
        inside.wait()
        text = file.read_text()
        read.wait()
        return text

    with ThreadPoolExecutor() as threads:
        first, second = threads.submit(lesser), threads.submit(root)
        assert (first.result(), second.result()) == ("ours", "ours")
