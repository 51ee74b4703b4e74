"""The site of the documentation in Chromium: pages, search, and no request to anywhere else."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, Route, expect

from fixtures.browser import OpenPage


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name is the library's
        pass


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    """The site, served on the loopback interface."""
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Quiet, directory=str(site))
    ) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


class Elsewhere:
    """Requests to other places than the site; none gets there."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.asked: list[str] = []

    def watch(self, context: BrowserContext) -> None:
        context.route("**/*", self.decide)

    def decide(self, route: Route) -> None:
        if route.request.url.startswith((self.address, "data:", "blob:")):
            route.continue_()
        else:
            self.asked.append(route.request.url)
            route.abort()


@pytest.fixture
def elsewhere(address: str) -> Elsewhere:
    return Elsewhere(address)


@pytest.fixture
def front(open_page: OpenPage, address: str, elsewhere: Elsewhere) -> Page:
    """The front page, loaded while every request is looked at."""
    page = open_page("about:blank", viewport={"width": 1280, "height": 1000})
    elsewhere.watch(page.context)
    page.goto(address)
    return page


def title(page: Page) -> Locator:
    """The title of the page that is shown; results of the search have headings of their own."""
    return page.locator(".md-content h1")


def test_search_finds_the_page_and_nothing_comes_from_elsewhere(
    front: Page, elsewhere: Elsewhere
) -> None:
    box = front.get_by_placeholder("Search")
    box.click()
    box.press_sequentially("advisory lock")
    hit = front.locator(".md-search-result__item a[href*='/hazards/H020/']").first
    expect(hit).to_be_visible(timeout=30_000)
    hit.click()
    expect(title(front)).to_contain_text("H020", timeout=30_000)
    assert elsewhere.asked == []


def test_pages_fit_the_window_and_ask_nothing_from_elsewhere(
    front: Page, address: str, elsewhere: Elsewhere
) -> None:
    for path in ("how-it-fits/", "security/", "results/", "hazards/"):
        front.goto(f"{address}{path}")
        expect(title(front)).to_be_visible()
        front.wait_for_load_state("networkidle")
        assert front.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), path
    assert elsewhere.asked == []


def test_every_part_of_the_site_is_one_click_away(front: Page) -> None:
    tabs = front.locator(".md-tabs__link").all_inner_texts()
    assert [tab.strip() for tab in tabs] == [
        "Start",
        "Operate",
        "Your project",
        "Measure",
        "Contribute",
    ]
