"""`make status` judges by the rules of observability/alerts.yml: the same series on both sides of
each threshold that promtool is given."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from test_alerts import CASES, Case, rules

from pgstack.metrics import exporter
from pgstack.metrics.alerts import Alerts
from pgstack.metrics.model import Counts, Metric, Sample
from pgstack.metrics.reading import Reading
from pgstack.metrics.rules import DISK_SHARE, RULES, Rule

INTERVAL = 15
ELSEWHERE = {
    "ExporterSilent": "whoever asks sees it",
    "DiskFills": "the node exporter's figures",
    "ServerRestarts": "ten minutes of figures",
    "Watchdog": "always fires",
}
"""rules that need more than a look"""
UNITS = {"s": 1, "m": 60, "h": 3600}
PART = re.compile(r"(-?[\d.]+|_|stale)(?:([+-][\d.]+))?(?:x(\d+))?$")
SERIES = re.compile(r"(\w+)(?:\{(.*)\})?$")


def values(words: str) -> list[float | None]:
    """What promtool's notation means: `1 0+2x3` is 1, 0, 2, 4, 6."""
    found: list[float | None] = []
    for word in words.split():
        matched = PART.match(word)
        assert matched, word
        start, step, times = matched.groups()
        first, more = None if start in {"_", "stale"} else float(start), float(step or 0)
        places = range(int(times or 0) + 1)
        found += [None if first is None else first + place * more for place in places]
    return found


def known() -> dict[str, Metric]:
    return {metric.name: metric for metric in exporter.declared()}


def samples(series: dict[str, str], place: int) -> Iterator[Sample]:
    buckets: dict[str, float] = {}
    for text, words in series.items():
        matched = SERIES.match(text)
        assert matched, text
        name, inner = matched.groups()
        labels = dict(re.findall(r'(\w+)="([^"]*)"', inner or ""))
        row = values(words)
        value = row[min(place, len(row) - 1)]
        if name.endswith("_bucket") and value is not None:
            buckets[labels["le"]] = value
        elif value is not None and name in known():
            metric = known()[name]
            yield Sample(metric, tuple(labels.get(own, "") for own in metric.labels), value)
    if buckets:
        counts = [b - a for a, b in zip([0, *buckets.values()], buckets.values(), strict=False)]
        bounds = tuple(map(float, buckets))[:-1]
        metric = known()["pgstack_wsgi_queue_seconds"]
        yield Sample(metric, (), Counts(bounds, tuple(counts), 0))


def seen(series: dict[str, str], seconds: int) -> list[Reading]:
    places = range(seconds // INTERVAL + 1)
    return [Reading(samples(series, place), place * INTERVAL) for place in places]


def names(series: dict[str, str], case: Case, rule: Rule) -> list[str]:
    alerts = Alerts((rule,))
    found = [alerts.see(reading) for reading in seen(series, case.after)]
    return [alert.rule.name for alert in found[-1]]


def test_every_rule_is_judged_or_needs_more_than_a_look() -> None:
    assert {rule["alert"] for rule in rules()} == {rule.name for rule in RULES} | set(ELSEWHERE)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_the_threshold_is_that_of_the_alert(rule: Rule) -> None:
    case = CASES[rule.name]
    assert names(case.fires, case, rule) == [rule.name]
    assert names(case.quiet, case, rule) == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_severity_time_and_page_are_those_of_the_alert(rule: Rule) -> None:
    alert = next(one for one in rules() if one["alert"] == rule.name)
    lasts = alert.get("for", "0s")
    assert rule.severity == alert["labels"]["severity"]
    assert rule.seconds == int(lasts[:-1]) * UNITS[lasts[-1]]
    assert rule.runbook == alert["annotations"]["runbook"]


def test_a_disk_is_full_where_the_alert_takes_it_for_full() -> None:
    alert = next(one for one in rules() if one["alert"] == "DiskFills")
    assert f"< {DISK_SHARE} * node_filesystem_size_bytes" in alert["expr"]
