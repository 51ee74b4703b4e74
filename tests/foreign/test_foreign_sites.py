"""Two sizeable projects of other people on the local target, as a visitor and an editor see them in
a browser.

A Wagtail site as `wagtail start` makes it, and a shop with django-oscar: both unchanged, from the
package registry.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from fixtures.local_stack import CHECKOUT, UNREACHABLE, LocalStack, started
from pgstack.planning import dependencies

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(900),
]  # on a busy disk the installation takes minutes

SITES, KEPT = CHECKOUT / "tests/sites", CHECKOUT / ".cache/sites"
NAMED = "requirements-stack.txt"
"""beside the starter's own requirements.txt, which wants the newest Django: Debian 12's Python has
none"""
LOGIN = {"DJANGO_SUPERUSER_PASSWORD": "correct horse battery staple"}
ELSEWHERE = (
    "ERR_NAME_NOT_RESOLVED",
    "ERR_INTERNET_DISCONNECTED",
    "releases.wagtail.org",
    "404 (Not Found)",
)
"""what these sites fetch from other hosts; and they have no favicon"""


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A directory for both projects, which the stack's account may enter."""
    with tempfile.TemporaryDirectory(prefix="sites-", dir="/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="module")
def environments() -> Path:
    """One virtual environment for both, made as a stack makes it and kept. Skips when the registry
    is out of reach."""
    if not Path(dependencies.PYTHON).exists():
        pytest.skip(f"{dependencies.PYTHON} is missing; as root: apt-get install python3-venv")
    ours, theirs = CHECKOUT / "requirements/run.txt", dependencies.texts(SITES, "requirements.txt")
    made = KEPT / dependencies.digest(ours, {NAMED: theirs["requirements.txt"]})
    if (made / "complete").exists():
        return KEPT
    shutil.rmtree(KEPT, ignore_errors=True)
    KEPT.mkdir(parents=True)
    try:
        dependencies.install(made, ours, SITES, "requirements.txt")
    except dependencies.DependencyError as error:
        if UNREACHABLE.search(str(error)):
            pytest.skip(f"the package registry is out of reach: {error}")
        raise
    (made / "complete").touch()
    return KEPT


def readable(directory: Path) -> Path:
    shutil.copy(SITES / "requirements.txt", directory / NAMED)
    for path in [directory, *directory.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    return directory


@pytest.fixture(scope="module")
def wagtail(place: Path, environments: Path) -> Iterator[LocalStack]:
    project = place / "mysite"
    project.mkdir()
    (program,) = environments.glob("*/bin/wagtail")
    subprocess.run([program, "start", "mysite", str(project)], check=True, capture_output=True)
    inputs = {
        "STACK_PROJECT": str(readable(project)),
        "STACK_SETTINGS": "mysite.settings.production",
    }
    with started(environments, **inputs, STACK_REQUIREMENTS=NAMED) as running:
        done = running.manage(
            "createsuperuser", "--no-input", "--username=ed", "--email=ed@site.example", **LOGIN
        )
        assert done.returncode == 0, done.stderr
        yield running


@pytest.fixture(scope="module")
def shop(place: Path, environments: Path) -> Iterator[LocalStack]:
    project = readable(shutil.copytree(SITES / "shop", place / "shop"))
    inputs = {"STACK_PROJECT": str(project), "STACK_COMMANDS": "loaddata fixtures/lamp.json"}
    with started(environments, **inputs, STACK_REQUIREMENTS=NAMED) as running:
        done = running.manage(
            "createsuperuser", "--no-input", "--username=ed", "--email=ed@shop.example", **LOGIN
        )
        assert done.returncode == 0, done.stderr
        yield running


def assert_green(stack: LocalStack) -> None:
    done = stack.manage("stack_verify", "--json")
    assert [finding for finding in json.loads(done.stdout) if finding["holds"] is False] == []
    assert done.returncode == 0


def log_in(page: Page, name: str, field: str) -> None:
    page.fill(f"[name={field.format('username')}]", name)
    page.fill(f"[name={field.format('password')}]", LOGIN["DJANGO_SUPERUSER_PASSWORD"])
    page.press(f"[name={field.format('password')}]", "Enter")
    page.wait_for_load_state()


@pytest.mark.slow
def test_wagtails_front_page_is_styled(wagtail: LocalStack, open_page: Any, troubles: Any) -> None:
    troubles.allowed += ELSEWHERE
    page = open_page(wagtail.url)
    assert page.locator("h1").inner_text() == "Welcome to your new Wagtail site!"
    link = page.locator("link[rel=stylesheet]").first.get_attribute("href")
    assert re.fullmatch(r"/static/css/[a-z_]+\.[0-9a-f]{12}\.css", link or "")
    assert (
        page.locator(".headline, .header").first.evaluate("one => getComputedStyle(one).display")
        == "flex"
    )


@pytest.mark.slow
def test_wagtails_editor_publishes_what_a_visitor_sees(
    wagtail: LocalStack, open_page: Any, troubles: Any, tmp_path: Path
) -> None:
    troubles.allowed += ELSEWHERE
    page = open_page(f"{wagtail.url}/admin/")
    log_in(page, "ed", "{}")
    assert page.title() == "Dashboard - Wagtail"
    page.goto(f"{wagtail.url}/admin/pages/3/edit/")
    page.fill("[name=title]", "The stack's own home")
    page.locator("[aria-label='Actions'] button, .w-dropdown__toggle").last.click()
    page.locator("[name=action-publish]").click()
    page.wait_for_load_state()
    assert "has been published" in page.content()
    page.goto(f"{wagtail.url}/admin/images/add/")
    page.screenshot(path=tmp_path / "screen.png")
    page.set_input_files("input[type=file]", tmp_path / "screen.png")
    page.fill("[name=title]", "screen")  # a script would, once it runs
    page.get_by_role("button", name="Upload").click()
    page.wait_for_selector("img[src^='/media/images/screen']")
    assert page.locator("img[src^='/media/images/screen']").first.evaluate(
        "one => one.decode().then(() => true)"
    )
    visitor = open_page(wagtail.url)
    assert visitor.title() == "The stack's own home"


@pytest.mark.slow
def test_wagtails_preview_is_framed_by_its_own_site(
    wagtail: LocalStack, open_page: Any, troubles: Any
) -> None:
    troubles.allowed += ELSEWHERE
    page = open_page(f"{wagtail.url}/django-admin/")
    log_in(page, "ed", "{}")
    assert page.title() == "Site administration | Django site admin"
    page.goto(f"{wagtail.url}/admin/pages/3/edit/")
    page.locator("[aria-label='Toggle preview']").click()
    page.frame_locator("iframe[title='Preview']").last.locator("h1").wait_for()


@pytest.mark.slow
def test_wagtails_stack_is_as_planned(wagtail: LocalStack) -> None:
    assert_green(wagtail)


def test_a_visitor_puts_a_lamp_into_the_basket(
    shop: LocalStack, open_page: Any, troubles: Any
) -> None:
    troubles.allowed += ELSEWHERE
    page = open_page(f"{shop.url}/catalogue/a-lamp_1/")
    assert page.locator("h1").inner_text() == "A lamp to read by"
    page.locator("form[action*=basket] button[type=submit]").last.click()
    page.wait_for_load_state()
    assert "A lamp to read by has been added to your" in page.locator("#messages").inner_text()
    page.goto(f"{shop.url}/basket/")
    assert "£12.50" in page.locator("#content_inner").inner_text()


def test_the_shops_keeper_logs_in_to_dashboard_and_admin(
    shop: LocalStack, open_page: Any, troubles: Any
) -> None:
    troubles.allowed += ELSEWHERE
    page = open_page(f"{shop.url}/accounts/login/")
    log_in(page, "ed@shop.example", "login-{}")
    page.goto(f"{shop.url}/dashboard/")
    assert page.title().strip().startswith("Dashboard")
    page.goto(f"{shop.url}/admin/")
    assert page.title() == "Site administration | Django site admin"
    assert page.evaluate("getComputedStyle(document.querySelector('#header')).display") == "flex"


def test_the_shops_stack_is_as_planned(shop: LocalStack) -> None:
    assert_green(shop)
