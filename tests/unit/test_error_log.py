"""What a web process prints goes to Apache's error log as Apache's own lines do, whatever zone the
project has set."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from pgstack.serving import error_log
from pgstack.serving.error_log import ErrorLog

EAST = timezone(timedelta(hours=5, minutes=30))
BEGIN = re.compile(r"\[(.{32})\] \[wsgi:error\] \[pid \d+:tid \d+\] ")


@pytest.fixture
def log(tmp_path: Path) -> Iterator[tuple[ErrorLog, Path]]:
    path = tmp_path / "error.log"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    yield ErrorLog(EAST, descriptor), path
    os.close(descriptor)


def lines(path: Path) -> list[str]:
    return [BEGIN.sub("", line) for line in path.read_text().splitlines()]


def test_each_line_has_time_and_offset_whatever_the_zone_of_the_process(
    log: tuple[ErrorLog, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    stream, path = log
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    print("first\nsecond", file=stream)
    monkeypatch.undo()
    time.tzset()
    for line in path.read_text().splitlines():
        begin = BEGIN.match(line)
        assert begin is not None
        written = datetime.strptime(begin[1], "%Y-%m-%d %H:%M:%S.%f %z")
        assert written.utcoffset() == timedelta(hours=5, minutes=30)
        assert abs(datetime.now(UTC) - written) < timedelta(minutes=1)
    assert lines(path) == ["first", "second"]


def test_a_line_that_was_begun_ends_with_flush(log: tuple[ErrorLog, Path]) -> None:
    stream, path = log
    stream.write("be")
    assert lines(path) == []
    stream.write("gun")
    stream.flush()
    stream.flush()
    assert lines(path) == ["begun"]


def test_threads_do_not_mix_their_lines(log: tuple[ErrorLog, Path]) -> None:
    stream, path = log
    stream.write("of this ")
    other = threading.Thread(target=lambda: stream.write("of another\n"))
    other.start()
    other.join()
    stream.write("thread\n")
    assert lines(path) == ["of another", "of this thread"]


def test_nothing_that_a_terminal_obeys_is_written(log: tuple[ErrorLog, Path]) -> None:
    stream, path = log
    stream.write("über\tuns \x1b[31m\r\udc80\n")
    assert lines(path) == ["über\tuns \\x1b[31m\\x0d\\xdc80"]


def test_the_zone_is_that_of_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TZ", raising=False)
    monkeypatch.setattr(error_log, "LOCAL_TIME", Path("/usr/share/zoneinfo/Asia/Tokyo"))
    assert datetime.now(error_log.zone()).utcoffset() == timedelta(hours=9)
    monkeypatch.setattr(error_log, "LOCAL_TIME", tmp_path / "missing")
    assert error_log.zone() is UTC
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    assert datetime.now(error_log.zone()).utcoffset() == timedelta(hours=5, minutes=30)
