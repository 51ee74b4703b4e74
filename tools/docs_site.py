"""What MkDocs does not know: pages outside of docs/, and links to files that are no pages.

mkdocs.yml names this module in its `hooks`.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

CHECKOUT = Path(__file__).resolve().parents[1]
OUTSIDE = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
"""Markdown of the checkout's top directory and the pages that are made of it"""
SOURCES = {page: path for path, page in OUTSIDE.items()}
LINK = re.compile(r"\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(([^()\s#]+)(#[^()\s]*)?\)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the pages of a folder where the navigation says `folder/*`; watch what lies outside."""
    config.watch += [str(CHECKOUT / path) for path in OUTSIDE]
    for section in config.nav or []:
        for entries in section.values():
            for entry in entries:
                entry.update(
                    {title: folder(path) for title, path in entry.items() if path.endswith("/*")}
                )
    return config


def folder(pattern: str) -> list[str]:
    """The pages of `folder/*` below docs/, by name, its README first."""
    docs = CHECKOUT / "docs"
    pages = sorted(
        docs.glob(f"{pattern}.md"), key=lambda path: (path.name != "README.md", path.name)
    )
    return [str(path.relative_to(docs)) for path in pages]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages from outside of docs/."""
    for path, page in OUTSIDE.items():
        files.append(File.generated(config, page, content=(CHECKOUT / path).read_text()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001
    """Links of a page, which lead from file to file in the checkout, as links between pages."""
    uri = page.file.src_uri
    return LINK.sub(lambda link: moved(link, uri), markdown)


def moved(link: re.Match[str], uri: str) -> str:
    """A link within the site; text with the name of the file as a hint where that is no page."""
    text, target, anchor = link.groups()
    if ":" in target:
        return link.group()
    here = SOURCES.get(uri, f"docs/{uri}")
    path = posixpath.normpath(posixpath.join(posixpath.dirname(here), target))
    if path not in OUTSIDE and not path.startswith("docs/"):
        return f'<span title="{path}">{text}</span>'
    there = OUTSIDE.get(path, path.removeprefix("docs/"))
    return f"[{text}]({posixpath.relpath(there, posixpath.dirname(uri) or '.')}{anchor or ''})"
