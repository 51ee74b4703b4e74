"""What is read from the alias `replica`: what a view, a block or a setting marks for it.

A visitor who has just written reads from `default`, for longer than a standby may be behind
(pgstack.middleware.ReplicaReads); so does everything else of a request once it has written.
docs/replicas.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, TypeVar

from django.conf import settings
from django.db import NotSupportedError

SETTING = "REPLICA_MODELS"
"""setting of a project: models or apps, as `app` or `app.Model`, that requests read from
`replica`"""
NEVER = frozenset({"sessions"})
"""apps whose reads are never marked by a view or block around them: who a visitor is has to be
known as it is"""
SHOWN = 80
"""characters of a statement in a message"""
_READS = re.compile(
    r"\s*(SELECT|WITH|SHOW|SET|SAVEPOINT|RELEASE|ROLLBACK|DECLARE|FETCH|CLOSE|EXPLAIN)\b",
    re.IGNORECASE,
)
_MODIFIES = re.compile(r"\s*WITH\b.*\b(INSERT|UPDATE|DELETE|MERGE)\b", re.IGNORECASE | re.DOTALL)
_WRITES = re.compile(
    r"\s*(INSERT|UPDATE|DELETE|MERGE|TRUNCATE|CREATE|ALTER|DROP|GRANT|REVOKE|COMMENT)\b",
    re.IGNORECASE,
)
View = TypeVar("View", bound=Callable[..., Any])


class Reads:
    """Of one request: whether it may read from `replica`."""

    def __init__(self, *, pinned: bool) -> None:
        self.pinned, self.marked, self.wrote = pinned, False, False


_request: ContextVar[Reads | None] = ContextVar("request", default=None)
_block: ContextVar[bool | None] = ContextVar("block", default=None)


@contextmanager
def of_request(*, pinned: bool) -> Iterator[Reads]:
    """What is asked within belongs to one request; `pinned`: it reads from `default`."""
    reads = Reads(pinned=pinned)
    token = _request.set(reads)
    try:
        yield reads
    finally:
        _request.reset(token)


@contextmanager
def on_replica() -> Iterator[None]:
    """Read from `replica` in a block, or a decorated function, what would be read from `default`
    there, unless the request or its visitor has just written, or a transaction is open.

    Counts where a query is sent, not where it was written down: a queryset that leaves the block
    unevaluated is read from `default`.
    """
    token = _block.set(True)
    try:
        yield
    finally:
        _block.reset(token)


@contextmanager
def on_primary() -> Iterator[None]:
    """Read from `default` in a block, or a decorated function, whatever is marked around it."""
    token = _block.set(False)
    try:
        yield
    finally:
        _block.reset(token)


def reads_replica(view: View) -> View:
    """Mark a view: from its call on the request reads from `replica`, templates that are rendered
    after it included."""

    @wraps(view)
    def marked(*args: Any, **named: Any) -> Any:
        reads = _request.get()
        if reads is None:
            with on_replica():
                return view(*args, **named)
        reads.marked = True
        return view(*args, **named)

    return marked  # type: ignore[return-value]


def note_write() -> None:
    """Say that this request writes where no statement shows it: a function that a SELECT calls."""
    if (reads := _request.get()) is not None:
        reads.wrote = True


def wanted(app: str, label: str) -> bool:
    """Whether a model is to be read from `replica` now, were there no transaction."""
    block, reads = _block.get(), _request.get()
    if block is False or (reads is not None and (reads.pinned or reads.wrote)):
        return False
    if reads is not None and {app, label} & _listed():
        return True
    return bool(block or (reads is not None and reads.marked)) and app not in NEVER


def _listed() -> set[str]:
    return {name.lower() for name in getattr(settings, SETTING, ())}


def look_at(sql: Any) -> None:
    """Note what may be a write, before it is sent on `default`."""
    if not isinstance(sql, str) or _READS.match(sql) is None or _MODIFIES.match(sql):
        note_write()


def refuse_write(alias: str, sql: Any) -> None:
    """Raise NotSupportedError for a statement that writes: what `alias` leads to would refuse
    it."""
    if isinstance(sql, str) and _WRITES.match(sql):
        shown = " ".join(sql.split())[:SHOWN]
        raise NotSupportedError(
            f"`{alias}` takes no writes, on a standby and on the primary alike: {shown}. Write on "
            "`default`: docs/replicas.md."
        )
