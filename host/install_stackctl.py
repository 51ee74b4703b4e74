"""stackctl's virtual environment and code on a host, beside this file: role host runs
it there when one of them is not complete.

Each has a directory of its own whose name says what is in it, so that what runs is not touched: the
launchers name both, and are written after this. Root runs what is here, so only root writes it,
pip gets wheels of known hashes and nothing else (a source distribution would run code), and
Python looks neither at the environment nor into the current directory (-I). Standard library only.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
"""where role host has put this"""
PYTHON = "/usr/bin/python3"
REQUIREMENTS = "requirements.txt"
COMPLETE = "complete"
KEPT = 2
"""directories of each kind: a stackctl that began before may still import"""
SAID_LINES = 5
"""of pip's last words"""
IMPORTED = "import sys; sys.path.insert(0, sys.argv[1]); import stackctl.__main__, stackctl.manage"
"""a trial of what the launchers do"""
WHEELS = Path("/usr/share/python-wheels")
"""where Debian has the pip that it makes environments with, in python3-venv"""
PIP = (
    "install",
    "--quiet",
    "--disable-pip-version-check",
    "--no-cache-dir",
    "--no-deps",
    "--require-hashes",
    "--only-binary=:all:",
)


def main() -> None:
    """Make the environment and the code named on the command line usable; 2 when that fails."""
    venv, code = (ROOT / name for name in sys.argv[1:])
    os.umask(0o022)
    sys.path.insert(0, str(code))
    try:
        if not (venv / COMPLETE).exists():
            make(venv, sys.stdin.read())
        run(str(venv / "bin/python"), "-I", "-m", "compileall", "-q", str(code))
        run(str(venv / "bin/python"), "-I", "-c", IMPORTED, str(code))
    except subprocess.CalledProcessError as error:
        said = "\n".join(str(error.stdout).strip().splitlines()[-SAID_LINES:])
        sys.exit(
            f"stackctl was not installed, and what was there is unchanged: {said}\n"
            "This host fetches its packages from Python's package index; app_environment says "
            "which, and how it is reached."
        )
    (code / COMPLETE).touch()
    for kept in (venv, code):
        forget(kept)


def make(venv: Path, variables: str) -> None:
    """An environment with the packages of the requirements, whole before it has its name.

    Raises CalledProcessError; what was at its place stays then.
    """
    from pgstack import environment_file
    from pgstack.ops import replacing

    with (
        replacing.directory(venv.parent) as parent,
        replacing.replacing(parent, venv.name) as name,
    ):
        fresh = venv.with_name(name)
        # pip stays outside: to have it installed first takes as long again.
        run(PYTHON, "-I", "-m", "venv", "--without-pip", str(fresh))
        (wheel,) = WHEELS.glob("pip-*.whl")
        python, given = str(fresh / "bin/python"), environment_file.parse(variables)
        run(python, "-I", f"{wheel}/pip", *PIP, f"--requirement={ROOT / REQUIREMENTS}", **given)
        (fresh / COMPLETE).touch()
        shutil.rmtree(venv, ignore_errors=True)


def run(*command: str, **variables: str) -> None:
    """A program with nothing but `variables` in its environment. Raises CalledProcessError."""
    subprocess.run(
        command,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", **variables},
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )


def forget(newest: Path) -> None:
    """Delete the oldest directories of a kind but KEPT and `newest`."""
    kind = newest.name.partition("-")[0]
    others = [path for path in ROOT.glob(f"{kind}-*") if path != newest]
    for path in sorted(others, key=lambda path: path.stat().st_mtime, reverse=True)[KEPT - 1 :]:
        shutil.rmtree(path)


if __name__ == "__main__":
    main()
