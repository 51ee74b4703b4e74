"""The same cause is told once a second, and counted."""

from __future__ import annotations

import io
import logging
import time

import pytest

from pgstack.serving import brief_log


class OperationalError(Exception):
    """By its name the database's."""


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> tuple[logging.Logger, io.StringIO]:
    monkeypatch.setattr(brief_log, "SECONDS", 1.0)
    stream = io.StringIO()
    handler = brief_log.BriefHandler(stream)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger("tested.request")
    logger.propagate = False
    monkeypatch.setattr(logger, "handlers", [handler])
    return logger, stream


def lines(stream: io.StringIO, number: int) -> list[str]:
    """What was told, as soon as it has so many lines."""
    deadline = time.monotonic() + 10
    while stream.getvalue().count("\n") < number and time.monotonic() < deadline:
        time.sleep(0.05)
    return stream.getvalue().splitlines()


def fail(logger: logging.Logger, error: Exception, path: str) -> None:
    def view() -> None:
        raise error

    try:
        view()
    except Exception:
        logger.exception("Internal Server Error: %s", path)


def test_an_outage_is_one_line_and_a_count(written: tuple[logging.Logger, io.StringIO]) -> None:
    logger, stream = written
    for number in range(50):
        fail(
            logger,
            OperationalError("connection failed: no such file\nIs it there?"),
            f"/page{number}",
        )
    assert stream.getvalue() == (
        "ERROR tested.request: Internal Server Error: /page0: OperationalError: connection failed: "
        "no such file\n"
    )
    assert lines(stream, 2)[1:] == [
        "ERROR tested.request: 49 more: OperationalError: connection failed: no such file"
    ]
    fail(logger, OperationalError("connection failed: no such file"), "/again")
    assert len(stream.getvalue().splitlines()) == 3


def test_another_error_keeps_its_traceback_and_each_cause_is_told(
    written: tuple[logging.Logger, io.StringIO],
) -> None:
    logger, stream = written
    for key in ("a", "a", "b"):
        fail(logger, KeyError(key), "/")
    assert stream.getvalue().count("Traceback (most recent call last)") == 2
    assert "KeyError: 'a'" in stream.getvalue()
    assert "KeyError: 'b'" in stream.getvalue()


def test_messages_without_an_exception_are_told_by_their_form(
    written: tuple[logging.Logger, io.StringIO],
) -> None:
    logger, stream = written
    for number in range(5):
        logger.warning("slow: %s", number)
    logger.warning("other")
    assert lines(stream, 3) == [
        "WARNING tested.request: slow: 0",
        "WARNING tested.request: other",
        "WARNING tested.request: 4 more: tested.request: slow: %s",
    ]
