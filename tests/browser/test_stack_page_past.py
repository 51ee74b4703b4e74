"""The page over days, in Chromium: a real Prometheus asks the exporter of the stack, and the page
shows what it remembers, by keyboard and on a phone; the hour where it does not answer."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from fixtures.browser import LOW_CONTRAST
from fixtures.prometheus import Prometheus, planned, watching
from pgstack.errors import ProbeError
from pgstack.live.probes import exporter
from pgstack.live.probes.exporter import FIGURES, HISTORY, RANGES
from pgstack.metrics import page, past
from pgstack.metrics.page import Answer
from pgstack.metrics.server import LoopbackServer, served
from pgstack.planning.metrics import Metrics

SCRAPE_SECONDS = 5
LOOKS = [
    pytest.param({"viewport": {"width": 1280, "height": 800}}, id="wide"),
    pytest.param({"viewport": {"width": 375, "height": 740}, "has_touch": True}, id="phone"),
]


class Served:
    """The page at a port, as a host's exporter has it there: with what Prometheus remembers."""

    url = ""

    def __init__(self, part: Metrics, prometheus: int) -> None:
        self.part, self.prometheus = part, planned(prometheus)

    def answer(self, target: str) -> Answer | None:
        """What the stack's exporter says, of the past what Prometheus does."""
        path, _, query = target.partition("?")
        if path.endswith(HISTORY):
            return page.remembered(query, lambda name: past.read(self.prometheus, name))
        told = exporter.ask(self.part, target)
        if told.status != HTTPStatus.OK:
            return None
        if path.endswith(FIGURES):
            figures = {**json.loads(told.body), "ranges": list(RANGES)}
            return Answer(told.type, json.dumps(figures).encode())
        return Answer(told.type, told.body)


@pytest.fixture(scope="module")
def metrics(stack: Any) -> Metrics:
    socket = f"{stack.directory}/run/metrics/metrics.sock"
    return Metrics(socket=socket, port=0, facts="", processes="", connections=1)


@pytest.fixture(scope="module")
def prometheus(
    metrics: Metrics, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Prometheus, int]]:
    """It has seen two scrapes."""
    place = tmp_path_factory.mktemp("prometheus")
    with watching({"pgstack": Path(metrics.socket)}, place, SCRAPE_SECONDS) as running:
        port = int(running.url.rpartition(":")[2])
        deadline = time.monotonic() + 90
        while not has_scraped(port):
            assert time.monotonic() < deadline
            time.sleep(1)
        yield running, port


def has_scraped(port: int) -> bool:
    try:
        told = past.asked(planned(port), RANGES["6h"], time.time())
    except ProbeError:  # on a busy machine
        return False
    return told["lines"]["cpu"][-1] is not None


@pytest.fixture(scope="module")
def site(metrics: Metrics, prometheus: tuple[Prometheus, int]) -> Iterator[Served]:
    site = Served(metrics, prometheus[1])
    server = LoopbackServer(0, site.answer)
    with served(server):
        site.url = f"http://localhost:{server.server_address[1]}/"
        yield site


def opened(site: Served, open_page: Any, **options: Any) -> Page:
    opened: Page = open_page(site.url, **options)
    expect(opened.locator("canvas")).to_have_count(6, timeout=30_000)
    expect(opened.get_by_role("radio", name="hour", exact=True)).to_be_checked()
    return opened


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("look", LOOKS)
def test_a_range_is_chosen_and_can_be_read(
    site: Served, open_page: Any, look: dict[str, Any], scheme: str
) -> None:
    shown = opened(site, open_page, color_scheme=scheme, **look)
    shown.get_by_text("15 days", exact=True).click()
    expect(shown.locator("#shown")).to_have_text(
        "The last 15 days, by Prometheus: a point for each 60 min. Times and rates are means of it, "
        "what is taken is the most within it.",
        timeout=20_000,
    )
    plot = shown.locator("[data-chart=machine] .plot")
    assert "processors " in (plot.get_attribute("aria-label") or "")
    assert shown.evaluate("document.documentElement.scrollWidth") <= look["viewport"]["width"]
    assert shown.evaluate(LOW_CONTRAST) == []


def test_a_range_is_chosen_by_keyboard_and_read_with_its_date(site: Served, open_page: Any) -> None:
    shown = opened(site, open_page)
    shown.get_by_role("radio", name="hour", exact=True).focus()
    for name in ("6 hours", "day", "week"):
        shown.keyboard.press("ArrowRight")
        expect(shown.get_by_role("radio", name=name, exact=True)).to_be_focused()
    expect(shown.locator("#shown")).to_contain_text("The last week, by Prometheus", timeout=20_000)
    shown.locator("[data-chart=machine] .plot").focus()
    shown.keyboard.press("End")
    today = time.strftime("%-d %b ", time.gmtime())
    expect(shown.locator("[data-chart=machine] .moment")).to_contain_text(f"at {today}")
    shown.get_by_text("hour", exact=True).click()
    expect(shown.locator("#shown")).to_have_text("")


def test_the_hour_is_shown_while_prometheus_does_not_answer(
    site: Served, open_page: Any, troubles: Any
) -> None:
    troubles.allowed = ["503"]
    shown = opened(site, open_page)
    there, site.prometheus = site.prometheus, planned(1)
    try:
        shown.get_by_text("6 hours", exact=True).click()
        expect(shown.locator("#shown")).to_have_text(
            "Prometheus does not answer. This is the last hour.", timeout=20_000
        )
        label = shown.locator("[data-chart=machine] .plot").get_attribute("aria-label") or ""
        assert "Now: processors " in label
    finally:
        site.prometheus = there


def test_without_prometheus_nothing_is_to_be_chosen(stack: Any, open_page: Any) -> None:
    shown: Page = open_page(stack.manage("stack_page").stdout.strip())
    expect(shown.locator("#fresh")).to_contain_text("of ", timeout=30_000)
    expect(shown.locator("#ranges")).to_be_hidden()
