"""The documentation builds as a site, which loads nothing from anywhere else.

Links and anchors between pages are checked by the build; tests/browser/test_documentation.py looks at it in a browser.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

ELSEWHERE = re.compile(r"^\s*(?:[a-z]+:)?//")
LOADED_BY_STYLES = re.compile(r"""@import\s*(?:url\()?["']?([^"');]+)|url\(\s*["']?([^"')]+)""")


class Loaded(HTMLParser):
    """What a browser fetches for a page without being asked: `src` of any element, `href` of `<link>`."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        wanted = ("src", "srcset", "data", "poster", *(("href",) if tag == "link" else ()))
        self.addresses += [value for name, value in attrs if name in wanted and value]


def loaded(html: str) -> list[str]:
    parser = Loaded()
    parser.feed(html)
    return parser.addresses


def from_elsewhere(site: Path) -> Iterator[str]:
    for page in site.rglob("*.html"):
        yield from (
            f"{page.name}: {link}" for link in loaded(page.read_text()) if ELSEWHERE.match(link)
        )
    for style in site.rglob("*.css"):
        links = (first or second for first, second in LOADED_BY_STYLES.findall(style.read_text()))
        yield from (f"{style.name}: {link}" for link in links if ELSEWHERE.match(link))


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    assert len(list(site.rglob("*.html"))) > 80
    assert list(from_elsewhere(site)) == []


def test_no_page_has_a_diagram_that_a_program_from_elsewhere_would_draw(site: Path) -> None:
    drawn = [page.name for page in site.rglob("*.html") if 'class="mermaid"' in page.read_text()]
    assert drawn == [], "the theme fetches Mermaid's program from its maker; draw with characters"


def test_search_knows_every_page(site: Path) -> None:
    index = json.loads((site / "search/search_index.json").read_text())
    known = {entry["location"].partition("#")[0] for entry in index["docs"]}
    pages = {str(page.parent.relative_to(site)) for page in site.rglob("index.html")}
    assert {f"{page}/" if page != "." else "" for page in pages} == known


def test_the_readme_is_the_front_page(site: Path) -> None:
    page = (site / "index.html").read_text()
    assert "14.8 times as many requests per second" in page
    assert 'href="how-it-fits/"' in page
    assert '<span title="LICENSE">' in page
