"""`make loadtest AGAINST=`: two states of the code beside each other, on real servers."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_lab import record

from fixtures.local_stack import CHECKOUT

pytestmark = pytest.mark.timeout(1200)
ANSWER = '    return HttpResponse("Hello, World!", content_type="text/plain")'


def git(*words: str) -> str:
    done = subprocess.run(["git", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"git {words[0]}: {done.stderr.strip()}; this needs a clone of the repository")
    return done.stdout.strip()


@pytest.fixture
def clone() -> Iterator[Path]:
    """The code that is here, as a repository of its own that every account may enter."""
    with tempfile.TemporaryDirectory(prefix="clone-", dir="/tmp") as name:
        path = Path(name)
        path.chmod(0o755)
        git("clone", "--quiet", str(CHECKOUT), str(path / "code"))
        code = path / "code"
        for part in (
            "app",
            "loadtest",
            "tests/fixtures",
            "requirements",
        ):  # also what is not committed
            shutil.rmtree(code / part)
            shutil.copytree(CHECKOUT / part, code / part, ignore=shutil.ignore_patterns("results"))
        for hidden in (".venv", ".cache"):
            (code / hidden).symlink_to(CHECKOUT / hidden)
        git("-C", str(code), "add", "--all", "app", "loadtest", "tests", "requirements")
        who = ("-c", "user.name=test", "-c", "user.email=test@site.example")
        git("-C", str(code), *who, "commit", "--quiet", "--allow-empty", "--message=as it is here")
        yield code


def against(code: Path, **inputs: str) -> subprocess.CompletedProcess[str]:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("STACK_")
    }
    environment |= {"RESULTS": str(code.parent / "run"), "STACK_MEMORY": "1g", "COLUMNS": "100"}
    done = subprocess.run(
        [sys.executable, str(code / "tests/fixtures/short_lab.py")],
        env=environment | {"AGAINST": "HEAD", **inputs},
        capture_output=True,
        text=True,
        check=False,
    )
    if "may not enter" in done.stderr or "missing packages" in done.stderr:
        pytest.skip(done.stderr.strip())
    return done


@pytest.mark.slow
def test_a_slower_page_is_found_and_ends_the_run_with_1(clone: Path) -> None:
    view = clone / "app/demo/views/benchmark.py"
    fast = view.read_text()
    assert ANSWER in fast
    view.write_text(fast.replace(ANSWER, f'    __import__("time").sleep(0.05)\n{ANSWER}'))
    done = against(clone, PAGE="/plain", BLOCKS="3", SECONDS="1")
    assert done.stderr == ""
    made = record(clone.parent / "run")
    assert set(made["versions"]) == {"this checkout", "HEAD"}
    assert made["versions"]["this checkout"].startswith(f"{made['versions']['HEAD']} and changes ")
    labels = [trial["label"] for trial in made["trials"]]
    assert sorted(set(labels)) == ["HEAD", "HEAD (A/A)", "this checkout"]
    assert labels.count("HEAD") == 6
    # One run in twenty has an A/A pair that does not hold, and claims nothing.
    claims = "Nothing is claimed" not in done.stdout
    assert done.returncode == (1 if claims else 0), done.stdout
    assert ("it is slower" in " ".join(done.stdout.split())) == claims
    assert not list(Path("/tmp").glob("checkout-*"))

    again = against(clone, RESUME="1")
    assert again.returncode == 2
    assert "nothing is left of" in again.stderr
    view.write_text(fast)
    changed = against(clone, RESUME="1")
    assert changed.stderr.startswith("RESUME=1: the code has changed since that run began.")


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"AGAINST": "v0.0-none"}, "AGAINST=v0.0-none: this repository has no such commit."),
        ({"SUITE": "servers"}, "SUITE=servers: says nothing with AGAINST."),
        ({"PAGES": "pages.txt"}, "PAGES=pages.txt: says nothing with AGAINST."),
    ],
)
def test_what_cannot_be_compared_is_refused_before_anything_starts(
    clone: Path, inputs: dict[str, str], said: str
) -> None:
    done = against(clone, **inputs)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(said)
