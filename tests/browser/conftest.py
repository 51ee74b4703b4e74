"""Chromium for the browser tests: the distribution's, driven by Playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

# A test browser has no business on the network: without these it looks up its maker's hosts.
FLAGS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
)

OpenPage = Callable[..., Page]


class Troubles:
    """What a browser complained about; `allowed` holds parts of complaints that a test provokes."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.allowed: list[str] = []

    def unexpected(self) -> list[str]:
        return [text for text in self.seen if not any(part in text for part in self.allowed)]

    def watch(self, page: Page) -> None:
        def console(message: ConsoleMessage) -> None:
            if message.type in ("error", "warning"):
                self.seen.append(f"{message.type}: {message.text}")

        page.on("console", console)
        page.on("pageerror", lambda error: self.seen.append(f"exception: {error}"))
        page.expose_function(
            "reportViolation", lambda text: self.seen.append(f"policy violation: {text}")
        )
        page.add_init_script(
            "document.addEventListener('securitypolicyviolation',"
            " (event) => reportViolation(`${event.violatedDirective} ${event.blockedURI}`))"
        )


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Closed after each file: Playwright's event loop would run in this thread, and Django refuses
    to work in one."""
    executable = shutil.which("chromium") or shutil.which("chromium-browser")
    if executable is None:
        pytest.skip("Chromium is missing; as root: apt-get install chromium")
    sandbox = () if os.geteuid() else ("--no-sandbox",)  # Chromium's sandbox refuses root
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=[*FLAGS, *sandbox])
        yield browser
        browser.close()


@pytest.fixture
def troubles() -> Troubles:
    return Troubles()


@pytest.fixture
def open_page(browser: Browser, troubles: Troubles) -> Iterator[OpenPage]:
    """`open_page(url, **context)` opens a watched page; the test fails when the browser
    complained."""
    contexts: list[BrowserContext] = []

    def open_(url: str, **options: object) -> Page:
        context = browser.new_context(**options)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        if options.get("java_script_enabled", True):
            troubles.watch(page)
        page.goto(url)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert troubles.unexpected() == []
