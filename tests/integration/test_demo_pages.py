"""The benchmark's pages over HTTP, by TechEmpower's rules, and what every answer must carry."""

from __future__ import annotations

import gzip
import html
import re
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from html.parser import HTMLParser
from typing import Any

import pytest
import requests


@pytest.fixture
def http() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False  # no proxy stands between this test and the loopback address
        session.headers["Accept-Encoding"] = "identity"
        yield session


def test_plain_answers_a_text(stack: Any, http: requests.Session) -> None:
    answer = http.get(f"{stack.url}/plain", timeout=10)
    assert (answer.status_code, answer.text) == (200, "Hello, World!")


def test_json_answers_the_message(stack: Any, http: requests.Session) -> None:
    answer = http.get(f"{stack.url}/json", timeout=10)
    assert answer.json() == {"message": "Hello, World!"}


def test_db_answers_one_row_of_ten_thousand(stack: Any, http: requests.Session) -> None:
    rows = [http.get(f"{stack.url}/db", timeout=10).json() for _ in range(20)]
    assert {tuple(row) for row in rows} == {("id", "randomNumber")}
    assert all(1 <= row["id"] <= 10_000 and 1 <= row["randomNumber"] <= 10_000 for row in rows)
    assert len({row["id"] for row in rows}) > 1, "the row is not random"


@pytest.mark.parametrize("page", ["queries", "updates"])
@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("", 1),
        ("?n=", 1),
        ("?n=foo", 1),
        ("?n=0", 1),
        ("?n=-7", 1),
        ("?n=%00", 1),
        ("?n=" + "9" * 5000, 1),
        ("?n=20", 20),
        ("?queries=20", 20),
        ("?n=500", 500),
        ("?n=501", 500),
    ],
)
def test_number_of_rows_is_clamped(
    stack: Any, http: requests.Session, page: str, query: str, rows: int
) -> None:
    answer = http.get(f"{stack.url}/{page}{query}", timeout=30)
    assert answer.status_code == 200
    assert len(answer.json()) == rows


class Cells(HTMLParser):
    """The texts of a page's table cells, unescaped."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.tags: set[str] = set()
        self._inside = False

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)
        self._inside = tag == "td"
        if self._inside:
            self.texts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.texts[-1] += data


def test_fortunes_are_sorted_escaped_and_one_longer_than_the_table(
    stack: Any, http: requests.Session
) -> None:
    answer = http.get(f"{stack.url}/fortunes", timeout=10)
    page = answer.content.decode("utf-8")
    assert page.lstrip().startswith("<!DOCTYPE html>")
    cells = Cells()
    cells.feed(page)
    ids, messages = cells.texts[::2], cells.texts[1::2]
    assert sorted(map(int, ids)) == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
    assert messages == sorted(messages)
    assert messages[ids.index("0")] == "Additional fortune added at request time."
    assert "接続は温かいうちに使い回すのがよい。" in messages
    script = messages[ids.index("11")]
    assert script.startswith("<script>alert(")
    assert "script" not in cells.tags, "the page runs what the database holds"
    assert html.escape(script) in page


def test_updates_answer_distinct_rows_in_their_order(stack: Any, http: requests.Session) -> None:
    ids = [row["id"] for row in http.get(f"{stack.url}/updates?n=50", timeout=30).json()]
    assert ids == sorted(set(ids))


@pytest.mark.parametrize(
    ("page", "content_type"),
    [
        ("plain", "text/plain"),
        ("json", "application/json"),
        ("db", "application/json"),
        ("queries", "application/json"),
        ("fortunes", "text/html; charset=utf-8"),
        ("updates", "application/json"),
    ],
)
def test_answers_carry_the_headers_that_the_rules_ask_for(
    stack: Any, http: requests.Session, page: str, content_type: str
) -> None:
    headers = http.get(f"{stack.url}/{page}", timeout=10).headers
    assert (headers["Server"], headers["Content-Type"]) == ("Apache", content_type)
    assert parsedate_to_datetime(headers["Date"]).tzname() == "UTC"
    assert int(headers["Content-Length"]) > 0


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 200),
        ("/plain", 200),
        ("/json", 200),
        ("/db", 200),
        ("/queries?n=3", 200),
        ("/fortunes", 200),
        ("/updates?n=3", 200),
        ("/slow?seconds=0.1", 200),
        ("/slow?seconds=nan", 200),
        ("/ledger/", 200),
        ("/ledger", 301),
        ("/ledger/accounts", 200),
        ("/ledger/audit", 200),
        ("/pools.json", 200),
        ("/favicon.ico", 301),
        ("/healthz", 200),
        ("/readyz", 200),
        ("/no/such/page", 404),
        ("/ledger/transfers", 405),
        ("/ledger/transfers/never-made", 404),
        ("/?" + "&".join(f"a{number}=1" for number in range(900)), 200),
    ],
)
def test_every_answer_carries_its_length_and_a_policy(
    stack: Any, http: requests.Session, path: str, status: int
) -> None:
    answer = http.get(stack.url + path, timeout=10, allow_redirects=False)
    assert answer.status_code == status
    assert int(answer.headers["Content-Length"]) == len(answer.content)
    assert "Transfer-Encoding" not in answer.headers
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Frame-Options"] == "DENY"


def test_compressed_pages_carry_their_length(stack: Any, http: requests.Session) -> None:
    headers = {"Accept-Encoding": "gzip"}
    with http.get(f"{stack.url}/ledger/", headers=headers, timeout=10, stream=True) as answer:
        raw = answer.raw.read(decode_content=False)
    assert answer.headers["Content-Encoding"] == "gzip"
    assert int(answer.headers["Content-Length"]) == len(raw)
    assert b"</html>" in gzip.decompress(raw)


@pytest.mark.parametrize(
    "path",
    [
        "/queries?n=%ff%fe",
        "/%ff%fe",
        "/%00",
        "/ledger/?done=%00",
        "/ledger/?done=" + "x" * 4000,
        "/ledger/transfers/%00",
        "/ledger/transfers/%ff",
        "/ledger/transfers/" + "x" * 4000,
        "/?" + "&".join(f"a{number}=%00" for number in range(100)),
    ],
)
def test_nonsense_is_never_a_server_error(stack: Any, http: requests.Session, path: str) -> None:
    assert http.get(stack.url + path, timeout=10).status_code < 500


def test_unknown_host_is_refused_without_its_name(stack: Any, http: requests.Session) -> None:
    answer = http.get(f"{stack.url}/", headers={"Host": "elsewhere.example"}, timeout=10)
    assert 400 <= answer.status_code < 500
    assert "elsewhere.example" not in answer.text


def test_pages_name_no_version(stack: Any, http: requests.Session) -> None:
    product = re.compile(
        r"(postgres(ql)?|pgbouncer|apache|mod_wsgi|django|python|debian)[ /-]v?\d", re.IGNORECASE
    )
    for path in ("/", "/ledger/", "/no/such/page", "/healthz", "/readyz", "/pools.json"):
        answer = http.get(stack.url + path, timeout=10)
        told = answer.text + "\n".join(f"{name}: {value}" for name, value in answer.headers.items())
        assert product.search(told) is None, path


def test_front_page_shows_the_pool_that_answered_it(stack: Any, http: requests.Session) -> None:
    http.get(f"{stack.url}/db", timeout=10)
    live = http.get(f"{stack.url}/pools.json", timeout=10)
    assert (
        live.headers["Cache-Control"] == "max-age=0, no-cache, no-store, must-revalidate, private"
    )
    assert live.json()["available"] is True
    pools = {(pool["database"], pool["login"]): pool for pool in live.json()["pools"]}
    pool = pools["app", "app"]
    assert pool["mode"] == "transaction"
    assert pool["servers_active"] + pool["servers_idle"] >= 1
    assert "PgBouncer answers" in http.get(f"{stack.url}/", timeout=10).text
