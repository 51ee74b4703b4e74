"""The page for staff in Chromium: its eight panels, drawn within its policy, by keyboard, in both
schemes, on a phone."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from fixtures.browser import LOW_CONTRAST

QUESTIONS = [
    "1 Must I act?",
    "2 Do users suffer?",
    "3 Where does the time go?",
    "4 What is full?",
    "5 Who blocks?",
    "6 What to mend?",
    "7 Is the machine enough?",
    "8 Am I safe, and what changed?",
]
LOOKS = [
    pytest.param({"viewport": {"width": 1280, "height": 800}}, id="wide"),
    pytest.param({"viewport": {"width": 375, "height": 740}, "has_touch": True}, id="phone"),
]
# Something else than the background: how many pixels of each chart.
DRAWN = """() => [...document.querySelectorAll("canvas")].map((canvas) => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let count = 0;
  for (let at = 3; at < data.length; at += 4) count += data[at] > 0;
  return count;
})"""


def opened(stack: Any, open_page: Any, **options: Any) -> Page:
    """With figures, and lines of a few of them."""
    page: Page = open_page(stack.manage("stack_page").stdout.strip(), **options)
    expect(page.locator("#fresh")).to_contain_text("of ", timeout=30_000)
    expect(page.locator("canvas")).to_have_count(6, timeout=30_000)
    return page


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("look", LOOKS)
def test_all_panels_are_drawn_and_can_be_read(
    stack: Any, open_page: Any, look: dict[str, Any], scheme: str
) -> None:
    page = opened(stack, open_page, color_scheme=scheme, **look)
    assert page.url == f"http://localhost:{stack.port}/stack/"
    headings = page.get_by_role("heading", level=2)
    assert [" ".join(words.split()) for words in headings.all_inner_texts()] == QUESTIONS
    assert min(page.evaluate(DRAWN)) > 300
    for part in page.locator("summary").all():
        part.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= look["viewport"]["width"]
    assert page.evaluate(LOW_CONTRAST) == []


def test_it_goes_on_by_itself(stack: Any, open_page: Any) -> None:
    page = opened(stack, open_page)
    for _ in range(2):
        with page.expect_response("**/figures.json?since=*", timeout=20_000) as answer:
            pass
        assert answer.value.status == 200
    last = page.locator("#fresh").inner_text()
    expect(page.locator("#fresh")).not_to_have_text(last, timeout=20_000)
    expect(page.locator("#top tbody tr")).not_to_have_count(1, timeout=20_000)


def test_a_chart_is_read_by_keyboard_and_as_a_table(stack: Any, open_page: Any) -> None:
    page = opened(stack, open_page)
    page.wait_for_timeout(6000)
    chart = page.locator("[data-chart=full]")
    plot = chart.locator(".plot")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the verdict")).to_be_focused()
    for _ in range(60):
        page.keyboard.press("Tab")
        if plot.evaluate("(element) => element === document.activeElement"):
            break
    expect(plot).to_be_focused()
    assert "Now: threads " in (plot.get_attribute("aria-label") or "")
    page.keyboard.press("Home")
    expect(chart.locator(".moment")).to_contain_text("at ")
    first = chart.locator(".moment").inner_text()
    page.keyboard.press("ArrowRight")
    expect(chart.locator(".moment")).not_to_have_text(first)
    page.keyboard.press("Escape")
    expect(chart.locator(".moment")).to_have_text("")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    table = chart.get_by_role("table")
    expect(table).to_be_visible()
    names = ["time", "threads", "pool", "Apache's workers"]
    expect(table.locator("thead th")).to_have_text(names)
    expect(table.locator("tbody tr").first).to_contain_text("of 8")


def test_it_says_when_what_it_shows_is_old(stack: Any, open_page: Any, troubles: Any) -> None:
    troubles.allowed = ["ERR_CONNECTION_REFUSED", "503"]
    page = opened(stack, open_page)
    page.route("**/figures.json*", lambda route: route.abort("connectionrefused"))
    expect(page.locator("#level")).to_contain_text("What is below is old", timeout=20_000)
    page.unroute("**/figures.json*")
    expect(page.locator("#level")).not_to_contain_text("old", timeout=20_000)


def test_the_verdict_names_what_is_down(stack: Any, open_page: Any) -> None:
    page = opened(stack, open_page)

    def changed(route: Any) -> None:
        answer = route.fetch()
        alert = {
            "name": "LocksBlock",
            "severity": "page",
            "state": "firing",
            "since": 0,
            "text": "<b>5</b> sessions wait.",
            "panel": 5,
        }
        verdict = {"level": "bad", "text": "<b>5</b> sessions wait."}
        route.fulfill(json={**answer.json(), "alerts": [alert], "verdict": verdict})

    page.route("**/figures.json*", changed)
    expect(page.locator("#level.bad")).to_have_text("<b>5</b> sessions wait.", timeout=20_000)
    expect(page.locator("#alerts li")).to_contain_text("act now")
    page.locator("#alerts a").click()
    assert page.url.endswith("#blocks")
