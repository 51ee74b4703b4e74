"""`make status` judges by the rules of observability/alerts.yml: the same series on both sides of
each threshold that promtool is given, and where samples are missing meanwhile.

Prometheus adds to a rise up to half of the time between two scrapes at either end of a gap; these
series rise so fast that it changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from test_alerts import rules

from fixtures import alert_series
from fixtures.alert_series import CASES, Case
from fixtures.prometheus import RULES as FILE
from fixtures.prometheus import promtool
from pgstack.metrics import exporter
from pgstack.metrics.alerts import Alerts
from pgstack.metrics.model import Counts, Metric, Sample
from pgstack.metrics.reading import Reading
from pgstack.metrics.rule import Rule
from pgstack.metrics.rules import DISK_SHARE, RULES

INTERVAL = 15
GAPS = {"none": 0, "two scrapes": 2, "more than five minutes": 22}
"""that a source does not answer"""
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
    numbers: list[float | None] = []
    for word in words.split():
        matched = PART.match(word)
        assert matched, word
        start, step, times = matched.groups()
        first, more = None if start in {"_", "stale"} else float(start), float(step or 0)
        places = range(int(times or 0) + 1)
        numbers += [None if first is None else first + place * more for place in places]
    return numbers


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
        yield Sample(metric, ("",), Counts(bounds, tuple(counts), 0))


def seen(series: dict[str, str], seconds: int) -> list[Reading]:
    places = range(seconds // INTERVAL + 1)
    return [Reading(samples(series, place), place * INTERVAL) for place in places]


def names(series: dict[str, str], case: Case, rule: Rule) -> list[str]:
    alerts = Alerts((rule,))
    firing = [alerts.see(reading) for reading in seen(series, case.after)]
    return [alert.rule.name for alert in firing[-1]]


def with_gap(series: dict[str, str], first: int, count: int) -> dict[str, str]:
    """Without so many samples from that one on; the plan's own are always there."""
    gapped = {}
    for name, words in series.items():
        texts = ["stale" if value is None else f"{value:f}" for value in values(words)]
        if not name.startswith("pgstack_plan_"):
            texts[first : first + count] = ["stale"] * len(texts[first : first + count])
        gapped[name] = " ".join(texts)
    return gapped


def firing(rule: Rule, series: dict[str, str]) -> list[bool]:
    """At each scrape, as long as all of the series last."""
    length, alerts = min(len(words.split()) for words in series.values()), Alerts((rule,))
    looks = seen(series, (length - 1) * INTERVAL)
    return [any(alert.fires for alert in alerts.see(reading)) for reading in looks]


def prometheus_test(name: str, series: dict[str, str], fires: list[bool]) -> dict[str, Any]:
    """For promtool: the alert fires at these scrapes and at no others."""
    expected = [
        {
            "expr": f'count(ALERTS{{alertname="{name}",alertstate="firing"}})',
            "eval_time": f"{place * INTERVAL}s",
            "exp_samples": [{"labels": "{}", "value": 1}] if now else [],
        }
        for place, now in enumerate(fires)
    ]
    given = alert_series.series(series)
    return {"interval": f"{INTERVAL}s", "input_series": given, "promql_expr_test": expected}


@pytest.mark.parametrize("gap", GAPS.values(), ids=GAPS)
def test_it_fires_at_the_scrapes_at_which_prometheus_fires(gap: int, tmp_path: Path) -> None:
    tests = []
    for rule in RULES:
        case = CASES[rule.name]
        series = with_gap(case.fires, max(1, case.after // INTERVAL - gap), gap)
        fires = firing(rule, series)
        assert any(fires) or gap, rule.name
        tests.append(prometheus_test(rule.name, series, fires))
    file = tmp_path / "test.yml"
    content = {"rule_files": [str(FILE)], "evaluation_interval": f"{INTERVAL}s", "tests": tests}
    file.write_text(yaml.safe_dump(content))
    said = promtool("test", "rules", str(file))
    assert "SUCCESS" in said, said


def test_every_rule_is_judged_or_needs_more_than_a_look() -> None:
    assert {rule["alert"] for rule in rules()} == {rule.name for rule in RULES} | set(ELSEWHERE)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_the_threshold_is_that_of_the_alert(rule: Rule) -> None:
    case = CASES[rule.name]
    assert names(case.fires, case, rule) == [rule.name]
    assert names(case.quiet, case, rule) == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_severity_time_and_page_are_those_of_the_alert(rule: Rule) -> None:
    alert = next(given for given in rules() if given["alert"] == rule.name)
    lasts = alert.get("for", "0s")
    assert rule.severity == alert["labels"]["severity"]
    assert rule.seconds == int(lasts[:-1]) * UNITS[lasts[-1]]
    assert rule.runbook == alert["annotations"]["runbook"]


def test_a_disk_is_full_where_the_alert_takes_it_for_full() -> None:
    alert = next(given for given in rules() if given["alert"] == "DiskFills")
    assert f"< {DISK_SHARE} * node_filesystem_size_bytes" in alert["expr"]
