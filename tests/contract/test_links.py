"""Every link of every page leads to a file and to a heading in it; every page that the code names is there."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

CHECKOUT = Path(__file__).resolve().parents[2]
PATH = re.compile(r"(?<![\w./-])\w[\w.-]*/[\w./-]*[\w/]")
OTHERS = {
    "loadtest/results/",
    "requirements/production.txt",
    "requirements/prod.txt",
    "requirements/base.txt",
}
"""what the load lab makes, and files of other people's projects"""


def pages() -> list[Path]:
    """Markdown of the checkout, but for what is ignored."""
    tops = [*CHECKOUT.glob("*.md"), *(CHECKOUT / "requirements").glob("*.md")]
    return sorted([*tops, *(CHECKOUT / "docs").rglob("*.md")])


@cache
def tokens(page: Path) -> list[Token]:
    """The page as Markdown reads it, texts within blocks included."""
    top = MarkdownIt("commonmark").enable("table").parse(page.read_text())
    return [part for token in top for part in (token, *(token.children or ()))]


def links(page: Path) -> Iterator[str]:
    for token in tokens(page):
        target = token.attrGet("href") if token.type == "link_open" else token.attrGet("src")
        if target is not None and token.type in ("link_open", "image"):
            yield unquote(str(target))


@cache
def anchors(page: Path) -> set[str]:
    """The headings of a page as code hosts make anchors of them."""
    seen: Counter[str] = Counter()
    names = set()
    follows = zip(tokens(page), tokens(page)[1:], strict=False)
    for heading in (text for token, text in follows if token.type == "heading_open"):
        said = "".join(
            child.content
            for child in heading.children or ()
            if child.type in ("text", "code_inline")
        )
        slug = re.sub(r"[^\w\- ]", "", said.lower()).replace(" ", "-")
        names.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return names


def broken(page: Path) -> Iterator[str]:
    """The links of a page that lead nowhere. Other sites are not asked."""
    for link in links(page):
        path, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", link):
            continue
        target = (page.parent / path).resolve() if path else page
        if not target.is_file():
            yield f"{link}: there is no such file"
        elif anchor and anchor not in anchors(target):
            yield f"{link}: {target.name} has no such heading"


def test_links_lead_somewhere() -> None:
    assert sum(len(list(links(page))) for page in pages()) > 300
    assert [
        f"{page.relative_to(CHECKOUT)}: {link}" for page in pages() for link in broken(page)
    ] == []


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[a](b.md)", "b.md: there is no such file"),
        ("[a](#none)", "#none: page.md has no such heading"),
        ("| a |\n| --- |\n| [a](../x.md) |", "../x.md: there is no such file"),
    ],
)
def test_a_link_that_leads_nowhere_is_found(tmp_path: Path, text: str, complaint: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# A page\n\n## Some `code`, twice\n\n[good](#some-code-twice)\n\n{text}\n")
    assert list(broken(page)) == [complaint]


def test_every_page_that_a_file_names_is_there() -> None:
    """In messages, comments and pages."""
    command = [
        "git",
        "-c",
        f"safe.directory={CHECKOUT}",
        "grep",
        "--untracked",
        "-hoIE",
        r"docs/[A-Za-z0-9/-]+\.md",
    ]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("this is no git checkout; clone the repository to check what its files name")
    named = set(done.stdout.split())
    assert len(named) > 10
    assert sorted(path for path in named if not (CHECKOUT / path).is_file()) == []


def test_pages_name_files_that_are_there() -> None:
    """Whoever moves a file moves it in the pages too, on the map (`docs/how-it-fits.md`) above all."""
    written = [
        page for page in pages() if "hazards/H" not in str(page) and page.name != "CHANGELOG.md"
    ]
    named = {(page, path) for page in written for path in paths(page)}
    assert len([path for page, path in named if page.name == "how-it-fits.md"]) > 50
    missing = {
        link for link in named if link[1] not in OTHERS and not (CHECKOUT / link[1]).exists()
    }
    assert [f"{page.relative_to(CHECKOUT)}: {path}" for page, path in sorted(missing)] == []


def paths(page: Path) -> Iterator[str]:
    """What looks like a path of the checkout, in code of a page, on lines of their own too."""
    tops = {entry.name for entry in CHECKOUT.iterdir() if entry.is_dir() and entry.name[0] != "."}
    for token in tokens(page):
        if token.type in ("code_inline", "code_block", "fence"):
            yield from (
                path for path in PATH.findall(token.content) if path.partition("/")[0] in tops
            )
