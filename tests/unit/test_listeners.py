"""Ports of the local stack's processes, some of which end while they are asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil
import pytest

from pgstack.errors import ProbeError
from pgstack.live.verify import access


@contextmanager
def closed(monkeypatch: pytest.MonkeyPatch, *command: str) -> Iterator[psutil.Popen]:
    """A process whose files nobody but root may see; a test cannot time when a real one is."""

    def refuse(process: psutil.Process, kind: str) -> None:
        raise psutil.AccessDenied(process.pid)

    monkeypatch.setattr(psutil.Process, "net_connections", refuse)
    process = psutil.Popen(command)
    yield process
    with suppress(psutil.NoSuchProcess):
        process.kill()
    process.wait()


def test_a_process_that_ends_while_it_is_asked_listens_nowhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with closed(monkeypatch, "sleep", "0.2") as process:
        assert access._connections(process) == []


def test_a_process_that_lives_and_may_not_be_looked_at_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(access, "ENDING_SECONDS", 0.1)
    with (
        closed(monkeypatch, "sleep", "20") as process,
        pytest.raises(
            ProbeError, match=f"process {process.pid}: /proc/{process.pid}/fd cannot be read"
        ),
    ):
        access._connections(process)
