"""What a release has to pass before a web process loads it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

APP = Path(__file__).resolve().parents[2] / "app"


def trial(file: Path, *paths: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pgstack.serving.trial", str(file), "shop.example", *paths]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env={"PYTHONPATH": str(APP)}
    )


def wsgi(directory: Path, status: str) -> Path:
    file = directory / "wsgi.py"
    file.write_text(
        "def application(environ, start):\n"
        f"    start('{status}' if environ['PATH_INFO'] == '/bad' else '200 OK', [])\n"
        "    return [environ['HTTP_HOST'].encode()]\n"
    )
    return file


def test_an_application_that_answers_passes(tmp_path: Path) -> None:
    done = trial(wsgi(tmp_path, "404 Not Found"), "/", "/bad")
    assert (done.returncode, done.stderr) == (0, "")


def test_an_error_of_the_server_is_named(tmp_path: Path) -> None:
    done = trial(wsgi(tmp_path, "500 Internal Server Error"), "/", "/bad")
    assert (done.returncode, done.stderr) == (1, "/bad is answered with 500\n")


def test_a_file_that_cannot_be_imported_is_named_with_the_reason(tmp_path: Path) -> None:
    file = tmp_path / "wsgi.py"
    file.write_text("raise RuntimeError('no such luck')\n")
    done = trial(file, "/")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "RuntimeError: no such luck"
