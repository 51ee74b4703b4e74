"""docs/http.md is what the table of requests says.

After a change of the table: GOLDEN=write pytest tests/contract/test_http_page.py.
"""

from __future__ import annotations

import os
from pathlib import Path

from fixtures import http_page
from fixtures.http_table import CASES, OVER_HTTP2

PAGE = Path(__file__).resolve().parents[2] / "docs" / "http.md"


def test_the_page_is_what_the_table_says() -> None:
    expected = http_page.page(CASES, OVER_HTTP2)
    if os.environ.get("GOLDEN") == "write":
        PAGE.write_text(expected)
    assert PAGE.read_text() == expected


def test_each_request_is_one_line_of_the_page() -> None:
    tables = len({case.about for case in CASES}) + 1
    assert PAGE.read_text().count("\n| ") == len(CASES) + len(OVER_HTTP2) + 2 * tables
