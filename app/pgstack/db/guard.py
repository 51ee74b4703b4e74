"""The guard of a pooled alias: it recognises statements that leave something in a session, or need
one.

Behind a transaction pooler the session is a stranger's a moment later. With `GUARD` of the alias

    "raise"   the statement is refused before it is sent: the default with DEBUG and under a test
    runner "log"     it runs; each place in the code is reported once, and counted: the default
    otherwise "off"     nobody looks
"""

from __future__ import annotations

import logging
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.core import mail
from django.db import ProgrammingError

from pgstack.hazards import CATALOGUE
from pgstack.hazards.statements import residue_of

KEY = "GUARD"
"""key of an alias in DATABASES"""
MODES = ("raise", "log", "off")
DOCUMENTATION = "docs/hazards/{}.md"
SHOWN = 200
"""characters of a statement in a message"""
INSIDE = tuple(
    f"{directory}/" for directory in (Path(django.__file__).parent, Path(__file__).parents[1])
)
"""directories whose frames are not the place in question"""
MANY = 1000
"""places that are told apart; a program that makes up its code as it goes does not fill the
memory"""

logger = logging.getLogger(__name__)
_lock = threading.Lock()
_counts: Counter[tuple[str, str]] = Counter()


class SessionStateError(ProgrammingError):
    """A statement that a transaction pooler does not carry; `hazard` is its id in the catalogue."""

    def __init__(self, hazard: str, message: str) -> None:
        super().__init__(message)
        self.hazard = hazard


class Guard:
    """The guard of one alias. `mode` None: what suits the process."""

    def __init__(self, alias: str, mode: str | None) -> None:
        self.alias, self.mode = alias, mode

    def look_at(self, sql: Any, driver: Any, *, in_transaction: bool) -> None:
        """Recognise the text of a statement before it is sent. Raises SessionStateError, or logs.

        `driver`: the driver's connection, which psycopg 2 needs to write down what was composed.
        """
        text = sql if isinstance(sql, str) else _text(sql, driver)
        for hazard in residue_of(text, in_transaction=in_transaction):
            self.report(hazard, text)

    def report(self, hazard: str, statement: str) -> None:
        """A statement shows a hazard. Raises SessionStateError, or logs the place the first
        time."""
        message = explanation(self.alias, hazard, statement)
        if (self.mode or usual_mode()) == "raise":
            raise SessionStateError(hazard, message)
        place = caller()
        with _lock:
            spot = (
                hazard,
                place if (hazard, place) in _counts or len(_counts) < MANY else "elsewhere",
            )
            _counts[spot] += 1
            first = _counts[spot] == 1
        if first:
            logger.warning("%s: %s", place, message)


@contextmanager
def unguarded(connection: Any) -> Iterator[None]:
    """Nobody looks at the statements of this connection of Django's."""
    before, connection.guard = getattr(connection, "guard", None), None
    try:
        yield
    finally:
        connection.guard = before


def counts() -> dict[tuple[str, str], int]:
    """How often each hazard was met in this process, by id and place; with "log" only."""
    with _lock:
        return dict(_counts)


def usual_mode() -> str:
    """The mode of an alias that names none."""
    # A test runner of Django's, pytest-django's too, collects mail in `outbox`.
    return "raise" if settings.DEBUG or hasattr(mail, "outbox") else "log"


def explanation(alias: str, hazard: str, statement: str) -> str:
    """What is wrong with a statement, why, and what to do instead."""
    known = CATALOGUE[hazard]
    shown = " ".join(statement.split())
    shown = shown if len(shown) <= SHOWN else f"{shown[:SHOWN]}…"
    return (
        f"{hazard} {known.title} on `{alias}`, which a transaction pooler serves: {shown}\n"
        f"Why: {known.breaks}\nInstead: {known.fix} See {DOCUMENTATION.format(hazard)}."
    )


def caller() -> str:
    """File and line of the innermost frame outside of Django and this package."""
    frame = sys._getframe(1)  # noqa: SLF001 - as logging does
    while frame.f_back is not None and frame.f_code.co_filename.startswith(INSIDE):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _text(sql: Any, driver: Any) -> str:
    """The text of bytes, or of what a driver composes."""
    if isinstance(sql, bytes):
        return sql.decode(errors="replace")
    return str(sql.as_string(driver)) if hasattr(sql, "as_string") else str(sql)
