"""Which pages of a project are asked for and how often: PAGES, a file with one on each line, or
LOG, an access log."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from loadtest.lab.model import Page
from pgstack.errors import InputError

MOST = 20
"""pages of a run: of a log, its most frequent addresses"""
SERVED = ("200", "304")
"""statuses in a log of a page that was shown"""
OTHERS = re.compile(r"/(static|media|stack)/|/(healthz|readyz)(\?|$)")
"""addresses that are not the project's pages"""
ADDRESS = re.compile(r"/[!-~]*")
COMBINED = re.compile(r'\S+ \S+ .*?\[[^]]*\] "((?:[^"\\]|\\.)*)" (\d{3}) ')
REQUEST = re.compile(r"GET (/[!-~]*) HTTP/[\d.]+")
DIFFERENT = "Give one of PAGES and LOG"


@dataclass(frozen=True)
class Visits:
    """Pages with their weights, heaviest first. `covered` is their share of a log's GETs."""

    source: str
    """the input that named them, as it was given: PAGES=pages.txt"""
    pages: tuple[Page, ...]
    covered: float = 1.0

    @property
    def addresses(self) -> frozenset[str]:
        """Of all pages."""
        return frozenset(page.address for page in self.pages)

    def share(self, pages: Iterable[Page]) -> float:
        """What `pages`, some of these, cover of the log."""
        return (
            self.covered
            * sum(page.weight for page in pages)
            / sum(page.weight for page in self.pages)
        )

    @property
    def chosen(self) -> bool:
        """Whether the user chose each of them; otherwise what cannot be asked is left out."""
        return self.source.startswith("PAGES=")


def asked(environment: Mapping[str, str]) -> Visits | None:
    """What PAGES or LOG says; None without either. Raises InputError, for a line with its
    number."""
    pages, log = environment.get("PAGES"), environment.get("LOG")
    if pages and log:
        raise InputError(f"PAGES={pages}, LOG={log}: both say what is asked for. {DIFFERENT}.")
    if pages:
        return _of_list(f"PAGES={pages}", _lines(f"PAGES={pages}", pages))
    if log:
        return _of_log(f"LOG={log}", _lines(f"LOG={log}", log))
    return None


def _lines(source: str, name: str) -> list[str]:
    try:
        return Path(name).read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError as error:
        raise InputError(f"{source}: {error.strerror}. Name a file that can be read.") from None


def _of_list(source: str, lines: Iterable[str]) -> Visits:
    weights: dict[str, float] = {}
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        address, weight = words[0], words[1] if len(words) > 1 else "1"
        if not ADDRESS.fullmatch(address) or len(words) > 2 or not _is_weight(weight):
            raise InputError(
                f"{source}: line {number}: {line.strip()!r} is not an address with a weight. Write "
                "one such as `/catalogue/ 5`: a path that begins with a slash, and how often it is "
                "asked for."
            )
        if address in weights:
            raise InputError(f"{source}: line {number}: {address} is named twice. Name each once.")
        weights[address] = float(weight)
    if not weights:
        raise InputError(f"{source}: no address in it. Write one on each line, such as `/ 5`.")
    if len(weights) > MOST:
        raise InputError(f"{source}: {len(weights)} addresses. Name {MOST} at most.")
    return Visits(source, _pages(weights))


def _is_weight(text: str) -> bool:
    return bool(re.fullmatch(r"\d{1,9}(\.\d{1,6})?", text)) and float(text) > 0


def _of_log(source: str, lines: Iterable[str]) -> Visits:
    counted: Counter[str] = Counter()
    for number, line in enumerate(lines, 1):
        if line.strip() and (address := _shown(source, number, line)):
            counted[address] += 1
    if not counted:
        raise InputError(
            f"{source}: no GET in it that was answered with a page. Name a log of a day with "
            "visitors, or list addresses in PAGES."
        )
    most = dict(counted.most_common(MOST))
    return Visits(source, _pages(most), sum(most.values()) / counted.total())


def _shown(source: str, number: int, line: str) -> str | None:
    """Address of the page that a line says was shown; None for anything else."""
    request, status = _parsed(line) or (None, "")
    if request is None:
        raise InputError(
            f"{source}: line {number}: {line.strip()[:80]!r} is neither the combined format nor "
            "this stack's JSON (docs/logs.md). Leave the line out, or list addresses in PAGES."
        )
    match = REQUEST.fullmatch(request)
    if not match or status not in SERVED or OTHERS.match(match[1]):
        return None
    return match[1]


def _parsed(line: str) -> tuple[str, str] | None:
    """First line of the request, and the status."""
    if match := COMBINED.match(line):
        return match[1], match[2]
    try:
        entry = json.loads(line)
        return str(entry["request"]), str(entry["status"])
    except (ValueError, KeyError, TypeError):
        return None


def _pages(weights: Mapping[str, float]) -> tuple[Page, ...]:
    heaviest = sorted(weights.items(), key=lambda pair: (-pair[1], pair[0]))
    return tuple(Page(address=address, weight=weight) for address, weight in heaviest)
