"""The load lab's report in Chromium: it needs nothing else, and is readable in both colour
schemes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from loadtest.lab.analysis import analyse
from loadtest.lab.report import html
from playwright.sync_api import expect

from fixtures.browser import LOW_CONTRAST
from fixtures.lab_results import whole_run


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = Path(tmp_path_factory.mktemp("report"), "report.html")
    path.write_text(html.page(analyse(whole_run())))
    return path.as_uri()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_report_is_readable(report: str, open_page: Any, scheme: str, width: int) -> None:
    page = open_page(report, color_scheme=scheme, viewport={"width": width, "height": 800})
    expect(page.get_by_role("heading", level=1)).to_contain_text("over reconnecting")
    assert page.evaluate(LOW_CONTRAST) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == {"light": "rgb(246, 247, 249)", "dark": "rgb(14, 17, 22)"}[scheme]


def test_report_shows_every_figure_and_cuts_no_text_of_it(report: str, open_page: Any) -> None:
    page = open_page(report, viewport={"width": 1280, "height": 800})
    expect(page.locator("figure")).to_have_count(8)
    expect(page.locator("figure h2")).to_have_text(
        [
            "Requests per second",
            "pgbouncer-transaction ÷ each strategy",
            "CPU by component",
            "Throughput over users",
            "Scalability",
            "Median over rate",
            "99th percentile over rate",
            "Latency distribution",
        ]
    )
    outside = """() => [...document.querySelectorAll("figure svg[role=img] text")].filter((text) => {
        const [inner, outer] = [text.getBoundingClientRect(), text.ownerSVGElement.getBoundingClientRect()];
        return inner.left < outer.left - 1 || inner.right > outer.right + 1 || inner.bottom > outer.bottom + 1;
    }).map((text) => text.textContent)"""
    assert page.evaluate(outside) == []
    assert page.locator("figure svg text").count() > 100


def test_report_loads_nothing_else(report: str, open_page: Any) -> None:
    page = open_page("about:blank")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(report)
    assert asked == [report]
