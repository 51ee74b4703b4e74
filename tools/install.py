"""What `make up` needs on this host: Debian's packages and the virtual environment.

Installs missing packages as root, and otherwise prints the exact command. No service of the
distribution is started, and no cluster of its own is made, on account of this.
"""

import contextlib
import hashlib
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import debian
from debian import ToolError, say
from pgstack import environment_file
from pgstack.planning import packages

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
LAB = ROOT / ".cache/lab"
BASE, LAB_REQUIREMENTS = "run.txt", "lab.txt"
PYTHON = "/usr/bin/python3"
POLICY = Path("/usr/sbin/policy-rc.d")
CREATE_CLUSTER = Path("/etc/postgresql-common/createcluster.d/zz-pgstack.conf")
OURS = "# pgstack, while it installs packages\n"
"""In files that go away again: one that an end by force left behind is ours to remove."""


@contextlib.contextmanager
def nothing_starts() -> Iterator[None]:
    """Installing packages starts no service and makes no cluster meanwhile."""
    made = []
    for path, text, mode in (
        (POLICY, f"#!/bin/sh\n{OURS}exit 101\n", 0o755),
        (CREATE_CLUSTER, f"{OURS}create_main_cluster = false\n", 0o644),
    ):
        if not path.exists() or OURS in path.read_text():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            path.chmod(mode)
            made.append(path)
    try:
        yield
    finally:
        for path in made:
            path.unlink()


def given() -> dict[str, str]:
    """Those of `.env` in the checkout and of the environment, which wins."""
    path = ROOT / ".env"
    of_file = environment_file.parse(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return {**of_file, **{name: value for name, value in os.environ.items() if value}}


def is_external() -> bool:
    """Whether PostgreSQL is somebody else's: compose.yaml reads the same, `.env` included."""
    return bool(given().get("STACK_DATABASE_URL"))


def install_packages(what: str) -> None:
    """Install what is missing, or say how."""
    release = debian.version()
    if release is None:
        known = packages.known("or")
        raise ToolError(
            f"this is not Debian {known}; the local target runs their packages. Use TARGET=compose."
        )
    inputs = given()
    own = what == "dev" or "STACK_DATABASE_URL" not in inputs
    servers = packages.servers(int(release), postgresql=own)
    needed = {**servers, **packages.environment(int(release))}
    # Tests that want it are skipped without: only root can have it installed.
    if inputs.get("STACK_VALKEY") == "on" or (what == "dev" and os.geteuid() == 0):
        needed |= packages.valkey(int(release))
    if inputs.get("STACK_BACKUP", "off") != "off" or (what == "dev" and os.geteuid() == 0):
        needed |= packages.BACKUPS
    try:
        of_project, of_extensions = packages.requested(inputs, int(release))
    except ValueError as error:
        raise ToolError(str(error)) from None
    missing = packages.missing(needed)
    missing += packages.not_installed([*of_project, *(of_extensions if own else ())])
    if not missing:
        return
    if os.geteuid() != 0:
        raise ToolError(
            f"{packages.refusal(missing)}\nOr, which starts no service of the distribution: make "
            f"packages"
        )
    say(f"packages  installing {' '.join(missing)}")
    with nothing_starts():
        debian.run(["apt-get", "update", "-q"])
        install = packages.install_command(missing, *packages.EXACT)
        debian.run(install, DEBIAN_FRONTEND="noninteractive")


def digest(requirements: str) -> str:
    """What changes when the requirements do."""
    return hashlib.sha256((ROOT / "requirements" / requirements).read_bytes()).hexdigest()


def installed(directory: Path, requirements: str) -> bool:
    """Whether these requirements were installed into ``directory``."""
    stamp = directory / f"{requirements}.sha256"
    return stamp.exists() and stamp.read_text() == digest(requirements)


def install_requirements(directory: Path, requirements: str, *options: str) -> None:
    """Install into ``directory`` and note it."""
    say(f"python    installing requirements/{requirements} into {directory.relative_to(ROOT)}")
    pip = [
        # Not bin/pip, which names the place where it was made: a checkout may have moved.
        str(VENV / "bin/python"),
        "-m",
        "pip",
        "install",
        "-q",
        "--disable-pip-version-check",
        "--require-hashes",
        *options,
    ]
    debian.run([*pip, "-r", str(ROOT / "requirements" / requirements)])
    (directory / f"{requirements}.sha256").write_text(digest(requirements))


def make_venv(requirements: str) -> None:
    """The virtual environment of Debian's Python: mod_wsgi runs no other."""
    if installed(VENV, requirements):
        return
    configuration = VENV / "pyvenv.cfg"
    if configuration.exists() and "home = /usr/bin\n" not in configuration.read_text():
        shutil.rmtree(VENV)
    debian.run([PYTHON, "-m", "venv", str(VENV)])
    install_requirements(VENV, requirements)
    debian.run([str(VENV / "bin/python"), "-m", "compileall", "-q", str(ROOT / "app")])
    if requirements != BASE:  # every other file contains it
        (VENV / f"{BASE}.sha256").write_text(digest(BASE))


def add_lab_packages() -> None:
    """What the ways that the load lab compares need; aside, for the stack itself must not find
    it."""
    if installed(LAB, LAB_REQUIREMENTS):
        return
    shutil.rmtree(LAB, ignore_errors=True)
    install_requirements(LAB, LAB_REQUIREMENTS, "--no-deps", "--target", str(LAB))


def install_browser() -> None:
    """Chromium for the browser tests, where it may be installed."""
    if not (shutil.which("chromium") or os.geteuid()):
        say("browser   installing chromium")
        debian.run(["apt-get", "update", "-q"])
        debian.run(packages.install_command(["chromium"]), DEBIAN_FRONTEND="noninteractive")


def work() -> None:
    """`install.py packages`; `run` for the virtual environment on top; `dev` for tests and lint as
    well."""
    what = sys.argv[1]
    try:
        install_packages(what)
        if what == "packages":
            return
        make_venv(f"{what}.txt")
        if what == "dev":
            add_lab_packages()
            install_browser()
    except OSError as error:
        raise ToolError(
            f"{error.filename}: {error.strerror}. Free the space or the rights and try again."
        ) from error


if __name__ == "__main__":
    debian.main("install", work)
