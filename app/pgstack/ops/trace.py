"""One request in the logs of Apache, of the web processes and of PostgreSQL, in order of time."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pgstack.errors import InputError
from pgstack.ops.terminal import shown

NUMBER = re.compile(r"[A-Za-z0-9+/]{8,32}")
"""as Apache makes them"""
APACHE = re.compile(
    r"\[(?P<when>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+ [+-]\d{4})\] "
    r"\[(?P<source>[a-z0-9_]*):\w+\] \[pid (?P<process>\d+)[^]]*\] (?P<text>.*)"
)
POSTGRESQL = re.compile(
    r"(?P<when>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+) UTC \[(?P<process>\d+)\] "
    r"(?:\S+@\S+ )?(?P<level>[A-Z]+):  ?(?P<text>.*)"
)
ERASE = "\x1b[2K"
"""which `docker compose logs` puts before a line"""
MORE = frozenset({"DETAIL", "HINT", "CONTEXT", "STATEMENT", "QUERY", "LOCATION"})
"""lines of PostgreSQL that belong to the one before"""
WSGI = "wsgi"


@dataclass
class Entry:
    """What a server wrote at one time, in one or more lines."""

    when: datetime
    source: str
    lines: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        begin = f"{self.when:%H:%M:%S.%f}"[:-3]
        return "\n".join(
            f"{begin if place == 0 else '':<12}  {self.source if place == 0 else '':<10}  {line}"
            for place, line in enumerate(self.lines)
        )


def of_request(number: str, lines: Iterable[str]) -> list[Entry]:
    """What `lines` of these logs, in any mixture, say of the request with this number; the
    earliest first. Raises InputError for what is not a request ID."""
    if not NUMBER.fullmatch(number):
        raise InputError(
            f"{number}: not a request ID. The access log has it as `id`, the error log in brackets."
        )
    matching = (entry for entry in entries(lines) if any(number in line for line in entry.lines))
    return sorted(_joined(matching), key=lambda entry: entry.when)


def entries(lines: Iterable[str]) -> Iterator[Entry]:
    """Each entry; lines that no server has begun belong to the one before."""
    open_: dict[str, Entry] = {}
    last: Entry | None = None
    for raw in lines:
        line = raw.rstrip("\n").removeprefix(ERASE)
        begun, key = _begun(line)
        if begun is not None:
            if key in open_:
                yield open_[key]
            last = open_[key] = begun
        elif key in open_:
            (last := open_[key]).lines.append(_text(line))
        elif last is not None and not key:
            last.lines.append(line.strip())
    yield from open_.values()


def _begun(line: str) -> tuple[Entry | None, str]:
    """The entry that a line begins, if it does, and who writes."""
    if line.startswith("{"):
        return _request(line), "access"
    if match := APACHE.match(line):
        source = "web" if match["source"] == WSGI else "apache"
        when = datetime.fromisoformat(match["when"].replace(" +", "+").replace(" -", "-"))
        return Entry(when, source, [match["text"]]), f"{source} {match['process']}"
    if match := POSTGRESQL.match(line):
        key = f"postgres {match['process']}"
        if match["level"] in MORE:
            return None, key
        when = datetime.fromisoformat(match["when"]).replace(tzinfo=UTC)
        return Entry(when, "postgres", [_text(line)]), key
    return None, ""


def _text(line: str) -> str:
    match = POSTGRESQL.match(line)
    return f"{match['level']}: {match['text']}" if match else line.strip()


def _request(line: str) -> Entry | None:
    try:
        said = json.loads(line)
        when = datetime.fromisoformat(said["time"])
        return Entry(when, "request", [_summary(said)])
    except (ValueError, KeyError, TypeError):
        return None


def _summary(said: dict[str, Any]) -> str:
    """Of a line of the access log."""
    text = (
        f"{said['request']} {said['status']}, {said['bytes']} bytes, {said['us'] / 1000:.1f} ms "
        f"[{said['id']}]"
    )
    if "measured" not in said:
        return text
    *microseconds, statements = said["measured"]
    queue, application, database = (value / 1000 for value in microseconds)
    return (
        f"{text}: {queue:.1f} ms until a thread took it, {application:.1f} ms in the application, "
        f"of these {database:.1f} ms in {statements} statements"
    )


def _joined(separate: Iterable[Entry]) -> list[Entry]:
    """Lines that a process wrote at one time, such as a traceback's, as one entry."""
    joined: list[Entry] = []
    for entry in separate:
        last = joined[-1] if joined else None
        if last and (last.source, f"{last.when:%c}") == (entry.source, f"{entry.when:%c}"):
            last.lines += entry.lines
        else:
            joined.append(entry)
    return joined


def told(number: str, lines: Iterable[str]) -> str:
    """The same for a person. Raises InputError when there is nothing."""
    matching = of_request(number, lines)
    if not matching:
        raise InputError(
            f"{number}: no log has it. Logs are kept for a time only, and the combined format "
            "(STACK_ACCESS_LOG) has no numbers."
        )
    return shown("\n".join(map(str, matching)))
