"""Which pages of a project the lab asks for, as a list or an access log says."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from pathlib import Path

import pytest
from loadtest.lab import visits
from loadtest.lab.generator.schedule import shares
from loadtest.lab.visits import Visits

from pgstack.errors import InputError

COMBINED = (
    '127.0.0.1 - - [30/Nov/2026:06:00:00 +0000] "{request}" {status} 512 "-" "a \\"browser\\""'
)
JSON = '{{"time":"2026-11-30","client":"::1","request":"{request}","status":{status},"us":9}}'


def asked(tmp_path: Path, name: str, text: str) -> Visits:
    path = tmp_path / "given"
    path.write_text(text)
    chosen = visits.asked({name: str(path)})
    assert chosen
    return chosen


def weights(chosen: Visits) -> dict[str, float]:
    return {page.address: page.weight for page in chosen.pages}


def test_a_list_names_addresses_with_weights_and_one_without_counts_once(tmp_path: Path) -> None:
    chosen = asked(tmp_path, "PAGES", "# the shop\n\n/\n/catalogue/?page=2  7.5\n/basket/ 2\n")
    assert weights(chosen) == {"/catalogue/?page=2": 7.5, "/basket/": 2, "/": 1}
    assert chosen.pages[0].address == "/catalogue/?page=2"
    assert chosen.chosen
    assert chosen.covered == 1


@pytest.mark.parametrize(
    "line", ["catalogue/", "/a 0", "/a x", "/a -1", "/a 1 2", "/é", "http://x/"]
)
def test_a_line_that_is_no_address_is_refused_with_its_number(tmp_path: Path, line: str) -> None:
    with pytest.raises(InputError, match=r"given: line 2: .* is not an address with a weight"):
        asked(tmp_path, "PAGES", f"/fine\n{line}\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("/a\n/b\n/a 2\n", "line 3: /a is named twice"),
        ("# nothing\n", "no address in it"),
        ("".join(f"/{number}\n" for number in range(21)), "21 addresses. Name 20 at most"),
    ],
)
def test_a_list_that_cannot_be_meant_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        asked(tmp_path, "PAGES", text)


@pytest.mark.parametrize("form", [COMBINED, JSON])
def test_a_log_gives_each_page_the_number_of_times_it_was_shown(tmp_path: Path, form: str) -> None:
    lines = [
        ("GET /a?x=1 HTTP/1.1", 200),
        ("GET /b HTTP/1.1", 200),
        ("GET /a?x=1 HTTP/1.1", 304),
        ("POST /a?x=1 HTTP/1.1", 200),
        ("GET /gone HTTP/1.1", 404),
        ("GET /old HTTP/1.1", 302),
        ("GET /static/a.css HTTP/1.1", 200),
        ("GET /readyz HTTP/1.1", 200),
        ("HEAD /b HTTP/1.1", 200),
        ("-", 408),
    ]
    text = "\n".join(form.format(request=request, status=status) for request, status in lines)
    chosen = asked(tmp_path, "LOG", text)
    assert weights(chosen) == {"/a?x=1": 2, "/b": 1}
    assert not chosen.chosen


def test_of_a_log_the_most_frequent_pages_count_and_their_share_is_known(tmp_path: Path) -> None:
    requests = [f"GET /{number} HTTP/1.1" for number in range(25)] + ["GET /7 HTTP/1.1"] * 5
    lines = (JSON.format(request=request, status=200) for request in requests)
    chosen = asked(tmp_path, "LOG", "\n".join(lines))
    assert len(chosen.pages) == 20
    assert chosen.pages[0].address == "/7"
    assert chosen.covered == pytest.approx(25 / 30)
    assert chosen.share(chosen.pages[:1]) == pytest.approx(6 / 30)


@pytest.mark.parametrize("line", ["what is this", '{"status": 200}', '["GET / HTTP/1.1", 200]'])
def test_a_line_of_another_format_is_refused_with_its_number(tmp_path: Path, line: str) -> None:
    fine = JSON.format(request="GET / HTTP/1.1", status=200)
    with pytest.raises(InputError, match=r"given: line 3: .* is neither the combined format nor"):
        asked(tmp_path, "LOG", f"{fine}\n\n{line}\n")


def test_a_log_without_a_page_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no GET in it that was answered with a page"):
        asked(tmp_path, "LOG", JSON.format(request="POST / HTTP/1.1", status=200))


def test_a_file_that_is_not_there_and_two_of_them_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"PAGES=/no/pages.txt: No such file or directory\."):
        visits.asked({"PAGES": "/no/pages.txt"})
    with pytest.raises(InputError, match="Give one of PAGES and LOG"):
        visits.asked({"PAGES": "a", "LOG": "b"})
    assert visits.asked({"PAGES": ""}) is None


def test_pages_are_asked_for_as_often_as_their_weights_say_also_in_a_short_run() -> None:
    order = list(islice(shares([5, 3, 1, 0.5]), 19))
    assert Counter(order) == {0: 10, 1: 6, 2: 2, 3: 1}
    assert Counter(order[:9])[0] in (4, 5)
