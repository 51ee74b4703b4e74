"""The lab on somebody's project: its pages, its rows and its login, on real servers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_lab import proofs, record

from fixtures.local_stack import CHECKOUT, UNREACHABLE

pytestmark = pytest.mark.timeout(1200)
PROGRAM = CHECKOUT / "tests/fixtures/short_lab.py"
SITE, KEPT = CHECKOUT / "tests/sites/notebook", CHECKOUT / ".cache/notebook"
TWIN = "pgbouncer-transaction (A/A)"


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A directory with the project that every account may enter; its virtual environment is kept
    for the next time."""
    KEPT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="lab-", dir="/tmp") as name:
        directory = Path(name)
        shutil.copytree(SITE, directory / "notebook")
        for results in ("run", "log"):
            (directory / results).mkdir()
            (directory / results / "environments").symlink_to(KEPT)
        for path in (directory, *directory.rglob("*")):
            if not path.is_symlink() and path != KEPT:
                path.chmod(0o755 if path.is_dir() else 0o644)
        yield directory


@pytest.fixture
def shop() -> Iterator[Path]:
    """A directory with a shop of django-oscar, as tests/foreign runs it."""
    kept = CHECKOUT / ".cache/shop"
    kept.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="lab-", dir="/tmp") as name:
        directory = Path(name)
        shutil.copytree(CHECKOUT / "tests/sites/shop", directory / "shop")
        shutil.copy(CHECKOUT / "tests/sites/requirements.txt", directory / "shop")
        (directory / "run").mkdir()
        (directory / "run/environments").symlink_to(kept)
        for path in (directory, *directory.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() else 0o644)
        yield directory


def lab(
    place: Path, results: str, project: str = "notebook", **inputs: str
) -> subprocess.CompletedProcess[str]:
    """`make loadtest` on the project with short trials."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("STACK_")
    }
    environment |= {
        "RESULTS": str(place / results),
        "STACK_MEMORY": "1g",
        "COLUMNS": "100",
        "STACK_PROJECT": str(place / project),
        "BLOCKS": "1",
        "SECONDS": "1",
        **inputs,
    }
    done = subprocess.run(
        [sys.executable, str(PROGRAM)], env=environment, capture_output=True, text=True, check=False
    )
    if "may not enter" in done.stderr or "missing packages" in done.stderr:
        pytest.skip(done.stderr.strip())
    if "pip install" in done.stderr and UNREACHABLE.search(done.stderr):
        pytest.skip(done.stderr.strip())
    return done


@pytest.fixture(scope="module")
def run(place: Path) -> dict[str, Any]:
    """Two pages, one for a reader who is logged in, with the rows of a dump."""
    pages = place / "pages.txt"
    pages.write_text("/notes 3\n/mine\n/hello\n")
    done = lab(
        place,
        "run",
        PAGES=str(pages),
        DUMP=str(place / "notebook/notes.sql"),
        LOGIN="notes.lab:reader",
        STRATEGIES="reconnect-tcp,psycopg-pool,no-query,reconnect-mysql",
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    assert "Each page by itself" in done.stdout
    assert "report:" in done.stdout
    return record(place / "run")


def test_the_mix_and_each_page_by_itself_are_measured(run: dict[str, Any]) -> None:
    made = {(trial["load"]["page"], trial["label"]) for trial in run["trials"]}
    own = "pgbouncer-transaction"
    assert made >= {
        ("your pages", "reconnect-tcp"),
        ("your pages", "psycopg-pool"),
        ("your pages", TWIN),
        *(
            (page, label)
            for page in ("/notes", "/mine", "/hello")
            for label in ("reconnect-tcp", own)
        ),
    }
    assert run["suite"] == "project"
    assert run["project"] == "notebook"


def test_each_trial_is_proven_to_be_what_it_says(run: dict[str, Any]) -> None:
    assert {trial["label"]: proofs(trial) for trial in run["trials"] if proofs(trial)} == {}
    reconnecting = [trial for trial in run["trials"] if trial["label"] == "reconnect-tcp"]
    by_page = {trial["load"]["page"]: trial["sessions"] / trial["sent"] for trial in reconnecting}
    assert by_page["/notes"] == pytest.approx(1, rel=0.05)
    assert by_page["/hello"] < 0.05
    assert by_page["your pages"] == pytest.approx(0.8, rel=0.05)


def test_what_a_page_asks_of_the_database_is_seen(run: dict[str, Any]) -> None:
    pages = {page["address"]: page for page in run["pages"]}
    assert [pages[address]["queries"] for address in ("/notes", "/mine", "/hello")] == [2, 2, 0]
    assert [pages[address]["connections"] for address in ("/notes", "/hello")] == [1, 0]
    assert not any(page["writes"] for page in run["pages"])


def test_what_a_project_cannot_run_under_is_said(run: dict[str, Any]) -> None:
    assert "rows are PostgreSQL's" in run["unavailable"]["reconnect-mysql"]
    assert "a page of the demo" in run["unavailable"]["no-query"]


@pytest.mark.slow
def test_of_a_log_what_cannot_be_asked_is_left_out_with_the_reason(place: Path) -> None:
    log = place / "access.log"
    shown = ["/notes"] * 6 + ["/visits"] * 2 + ["/mine", "/broken", "/gone", "/static/x.css"]
    lines = [{"request": f"GET {address} HTTP/1.1", "status": 200} for address in shown]
    log.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    done = lab(place, "log", LOG=str(log), STRATEGIES="reconnect-socket")
    assert done.returncode in (0, 1), done.stdout + done.stderr
    run = record(place / "log")
    assert run["unavailable"] == {
        "/visits": "this GET writes into the database: it took transaction ids in the trial run",
        "/mine": "the project redirects to /login?next=/mine",
        "/broken": "the project answers 500",
        "/gone": "the project answers 404",
    }
    assert [page["address"] for page in run["pages"]] == ["/notes"]
    assert run["covered"] == pytest.approx(6 / 11)
    assert "The pages are 55% of the GETs for pages in" in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    ("pages", "inputs", "said"),
    [
        ("/notes\n", {"DUMP": "pages.txt"}, "it cannot be restored: "),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (
                ("/notes\n/gone\n", {}, "/gone: the project answers 404. Name a page that it has"),
                ("/visits\n", {}, "/visits: this GET writes into the database"),
                (
                    "/notes\n",
                    {"LOGIN": "notes.lab:nobody"},
                    "LOGIN=notes.lab:nobody: AttributeError",
                ),
                ("/notes\n", {"SESSION": "x" * 32}, "SESSION: the project has no such session"),
            )
        ),
    ],
)
def test_what_cannot_be_measured_is_one_clear_error(
    place: Path, pages: str, inputs: dict[str, str], said: str
) -> None:
    path = place / "pages.txt"
    path.write_text(pages)
    inputs = {name: str(path) if name == "DUMP" else value for name, value in inputs.items()}
    done = lab(place, "run", PAGES=str(path), **inputs)
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr
    assert done.stderr.count("\n") < 3
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_shop_of_other_people_gains_and_says_under_what_it_does_not_run(shop: Path) -> None:
    pages = shop / "pages.txt"
    pages.write_text("/catalogue/ 5\n/catalogue/a-lamp_1/ 8\n/basket/\n")
    done = lab(
        shop,
        "run",
        "shop",
        PAGES=str(pages),
        STACK_COMMANDS="loaddata fixtures/lamp.json",
        STRATEGIES="reconnect-tcp,persistent,sqlalchemy-pool,pgbouncer-statement",
        WRITES="1",
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    run = record(shop / "run")
    assert {trial["label"]: proofs(trial) for trial in run["trials"] if proofs(trial)} == {}
    assert [page["address"] for page in run["pages"] if page["writes"]] == ["/catalogue/a-lamp_1/"]
    assert all(page["queries"] > 2 for page in run["pages"])
    assert run["unavailable"] == {
        "pgbouncer-statement": "/catalogue/a-lamp_1/: the project answers 500"
    }
    rates = {trial["label"]: trial["requests"] / trial["seconds"] for trial in run["trials"]}
    assert rates[TWIN] > rates["reconnect-tcp"]
