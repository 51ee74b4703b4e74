"""What the exporter answers (pgstack.metrics)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pgstack.errors import ProbeError
from pgstack.live.probes import answers
from pgstack.live.probes.answers import Answer
from pgstack.planning.metrics import Metrics

PATH = "/metrics"
PAGE, FIGURES, HISTORY = "/stack/", "figures.json", "history.json"
"""where the page is, and below it its figures, and what Prometheus remembers of them"""
FILES = {
    "": ("page.html", "text/html; charset=utf-8"),
    "page.css": ("page.css", "text/css; charset=utf-8"),
    "charts.css": ("charts.css", "text/css; charset=utf-8"),
    "page.js": ("page.js", "text/javascript; charset=utf-8"),
    "charts.js": ("charts.js", "text/javascript; charset=utf-8"),
    "uplot.js": ("uplot/uPlot.iife.min.js", "text/javascript; charset=utf-8"),
    "uplot.css": ("uplot/uPlot.min.css", "text/css; charset=utf-8"),
}
"""the page's files below `static/pgstack`, with their types, by name below its address"""
ANSWER_SECONDS = 5
"""longest wait: it answers within three"""
_UP = re.compile(r'^pgstack_up\{source="([a-z]+)"\} (\d)', re.MULTILINE)


@dataclass(frozen=True)
class Range:
    """How much of the past, in seconds, and the time from one point to the next."""

    seconds: int
    step: int


MINUTE, HOUR, DAY = 60, 3600, 86400
RANGES = {
    "6h": Range(6 * HOUR, MINUTE),
    "1d": Range(DAY, 5 * MINUTE),
    "7d": Range(7 * DAY, 30 * MINUTE),
    "15d": Range(15 * DAY, HOUR),
}
"""of what Prometheus remembers, by the word that asks for it: 288 to 360 steps each"""


def ask(part: Metrics, target: str, seconds: float = ANSWER_SECONDS) -> Answer:
    """What it answers at an address, all of it within so many seconds. Raises ProbeError."""
    return answers.ask("exporter", part.socket, target, seconds)


def scrape(part: Metrics, seconds: float = ANSWER_SECONDS) -> str:
    """Everything, in Prometheus' text format. Raises ProbeError."""
    answer = ask(part, PATH, seconds)
    if answer.status != 200:
        raise ProbeError(f"exporter: status {answer.status}")
    return answer.body.decode(errors="replace")


def sources(text: str) -> dict[str, bool]:
    """Whether each of its sources answered it."""
    return {name: up == "1" for name, up in _UP.findall(text)}
