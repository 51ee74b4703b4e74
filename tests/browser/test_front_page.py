"""The front page in Chromium: live, readable, and without a complaint of the browser."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest
from playwright.sync_api import expect

from fixtures.browser import LOW_CONTRAST

LOOKS = [
    pytest.param({"viewport": {"width": 1280, "height": 800}}, id="wide"),
    pytest.param({"viewport": {"width": 360, "height": 740}, "has_touch": True}, id="phone"),
]


def test_front_page_keeps_the_pools_fresh(stack: Any, open_page: Any) -> None:
    page = open_page(f"{stack.url}/db")  # a pool exists once a client has queried through it
    page.goto(f"{stack.url}/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Django behind a warm pool")
    expect(page.locator("#live-state")).to_have_text(
        "PgBouncer answers, nobody waits", timeout=30_000
    )
    for _ in range(2):
        with page.expect_response("**/pools.json", timeout=10_000) as answer:
            pass
        assert answer.value.json()["available"] is True
    row = page.locator("#live-rows tr", has_text="as app,")
    expect(row.locator("td")).to_have_count(5)
    expect(page.locator("#live-chart polyline")).to_have_count(3)


def test_front_page_says_when_the_pooler_or_the_server_is_silent(
    stack: Any, open_page: Any, troubles: Any
) -> None:
    troubles.allowed = ["503", "ERR_CONNECTION_REFUSED"]
    page = open_page("about:blank")
    words = "PgBouncer's console does not answer"
    silent = json.dumps({"available": False, "pools": [], "badge": {"text": words, "kind": "warn"}})
    page.route(
        "**/pools.json", lambda route: route.fulfill(body=silent, content_type="application/json")
    )
    page.goto(f"{stack.url}/")
    expect(page.locator("#live-state")).to_have_text(words)
    expect(page.locator("#live-rows")).to_contain_text("No pool to show.")
    page.unroute("**/pools.json")
    page.route("**/pools.json", lambda route: route.abort("connectionrefused"))
    expect(page.locator("#live-state")).to_have_text(
        "The web server does not answer", timeout=10_000
    )


def test_badge_of_the_front_page_turns_while_requests_wait_for_a_thread(
    stack: Any, open_page: Any
) -> None:
    """Eight threads, and more requests at a time than these, each held by a lock."""
    blocker = stack.psql("BEGIN; LOCK TABLE world; SELECT pg_sleep(3)")
    page = open_page(f"{stack.url}/plain")
    asked = [
        "curl",
        "-s",
        "-o",
        "/dev/null",
        "--parallel",
        "--parallel-max",
        "40",
        "--parallel-immediate",
    ]
    held = subprocess.Popen([*asked, f"{stack.url}/updates?n=1&[1-40]"], start_new_session=True)
    try:
        page.goto(f"{stack.url}/")
        expect(page.locator("#live-state")).to_contain_text("for a free thread", timeout=30_000)
    finally:
        for process in (blocker, held):
            process.communicate(timeout=60)
    expect(page.locator("#live-state")).to_have_text(
        "PgBouncer answers, nobody waits", timeout=40_000
    )


def test_front_page_puts_load_on_the_stack(stack: Any, open_page: Any) -> None:
    page = open_page(f"{stack.url}/")
    page.get_by_role("button", name="Send 300 requests").click()
    expect(page.locator("#try-result")).to_contain_text("300 answers in", timeout=30_000)
    expect(page.locator("#try-result")).not_to_contain_text("failed")


def test_front_page_is_complete_without_javascript(stack: Any, open_page: Any) -> None:
    page = open_page(f"{stack.url}/db", java_script_enabled=False)
    page.goto(f"{stack.url}/")
    expect(page.locator("#live-rows")).to_contain_text("as app, transaction mode")
    expect(page.get_by_role("button", name="Send 300 requests")).to_be_disabled()


@pytest.mark.parametrize("path", ["/", "/ledger/", "/no/such/page"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("look", LOOKS)
def test_pages_fit_the_screen_and_can_be_read(
    stack: Any, open_page: Any, troubles: Any, look: dict[str, Any], scheme: str, path: str
) -> None:
    troubles.allowed = ["status of 404"] if path == "/no/such/page" else []
    page = open_page(stack.url + path, color_scheme=scheme, **look)
    page.wait_for_load_state("load")
    assert page.evaluate("document.documentElement.scrollWidth") <= look["viewport"]["width"]
    assert page.evaluate("getComputedStyle(document.body).margin") == "0px", (
        "the stylesheet did not arrive"
    )
    assert page.evaluate(LOW_CONTRAST) == []


def test_every_link_of_the_front_page_leads_somewhere(stack: Any, open_page: Any) -> None:
    page = open_page(f"{stack.url}/")
    links = page.evaluate("[...document.links].map((link) => link.href.split('#')[0])")
    assert len(links) > 12
    for link in sorted(set(links)):
        assert page.request.get(link).status == 200, link
