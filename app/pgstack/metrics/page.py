"""The page: its files and its figures, by path. Whoever can reach the exporter may see them, so
nobody else may be able to: only over its socket, or a loopback port forwarded by SSH."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs

from pgstack.live.probes.exporter import FIGURES, FILES, HISTORY, PAGE, PATH, RANGES

STATIC = Path(__file__).resolve().parents[1] / "static/pgstack"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
TEXT = "text/plain; version=0.0.4; charset=utf-8"
JSON = "application/json"


@dataclass(frozen=True)
class Answer:
    """A response body and its type."""

    type: str
    body: bytes

    def headers(self) -> dict[str, str]:
        """Its headers: nothing else is loaded, nothing cached, and no other site may embed it."""
        return {
            "Content-Type": self.type,
            "Content-Length": str(len(self.body)),
            "Content-Security-Policy": POLICY,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cache-Control": "no-store",
        }


@dataclass(frozen=True)
class Pages:
    """What the exporter answers: `scrape` is Prometheus' text, `figures` the page's since a
    time, `past` what Prometheus remembers of a range, which raises ProbeError."""

    scrape: Callable[[], bytes]
    figures: Callable[[float], bytes]
    past: Callable[[str], bytes]

    def metrics(self, address: str) -> Answer | None:
        """What every account of the machine may see: metrics, but no page."""
        return Answer(TEXT, self.scrape()) if address == PATH else None

    def answer(self, target: str) -> Answer | None:
        """The answer at an address of this server, which has the page at / and at /stack/; None if
        there is nothing."""
        path, _, query = target.partition("?")
        if path == PATH:
            return Answer(TEXT, self.scrape())
        name = path.removeprefix(PAGE if path.startswith(PAGE) else "/")
        if name == FIGURES:
            return Answer(JSON, self.figures(_since(query)))
        if name == HISTORY:
            return remembered(query, self.past)
        if name in FILES:
            file, kind = FILES[name]
            return Answer(kind, (STATIC / file).read_bytes())
        return None


def remembered(query: str, past: Callable[[str], bytes]) -> Answer | None:
    """The history of the range that is asked for; None for an unknown range. Raises ProbeError."""
    name = _last(query, "range")
    return Answer(JSON, past(name)) if name in RANGES else None


def _since(query: str) -> float:
    try:
        return float(_last(query, "since"))
    except ValueError:
        return 0.0


def _last(query: str, name: str) -> str:
    return parse_qs(query).get(name, [""])[-1]
