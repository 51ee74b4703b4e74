"""A release's virtual environment: made by an account that reaches nothing, and then installed as
root's.

Requirements run code at their installation. The unit stack-build@ holds it; root only copies what
it has made.
"""

from __future__ import annotations

import time
from pathlib import Path

from . import safe, system, tree
from .safe import StackctlError
from .stack import Stack

STAGE = Path("/var/lib/stack-build")
ENVIRONMENT = system.RUN / "build"
"""read by systemd for the unit, and by root alone"""
MADE = ("venv", "project")
"""what the account makes; `project` begins as a copy, for some requirements are built where they
lie"""
SAID_LINES = 12
"""of pip's last words"""


def run(stack: Stack, name: str, requirements: str, variables: str) -> str:
    """Make the virtual environment of release `name`; `variables` are lines of an environment file
    for pip.

    Returns what was done. Raises StackctlError with what the installation said; there is no such
    environment then.
    """
    release, account = stack.root / "releases" / name, stack.accounts.build
    begun = time.time()
    _prepare(release, account)
    text = f'{variables}STACK_REQUIREMENTS="{requirements}"\n'
    safe.write(ENVIRONMENT, text.encode(), 0o600)
    try:
        if system.run("systemctl", "start", unit(name)).returncode:
            raise StackctlError(_said(unit(name), begun))
        for part in MADE:
            _install(STAGE / part, release / part)
    finally:
        system.stop(unit(name))
        for path in (ENVIRONMENT, *(STAGE / part for part in MADE)):
            safe.remove(path)
    system.require("/usr/bin/python3", "-I", "-m", "compileall", "-q", str(release / "app"))
    return f"{name} built in {time.time() - begun:.0f} s"


def unit(name: str) -> str:
    """Name of the unit that builds a release."""
    return f"stack-build@{name}.service"


def _prepare(release: Path, account: str) -> None:
    """Where the account works: an empty environment, and a copy of the project."""
    safe.make_directory(STAGE, 0o700, account, account)
    for part in MADE:
        safe.remove(STAGE / part)
    safe.make_directory(STAGE / "venv", 0o755, account, account)
    safe.make_directory(release / "venv")
    tree.install(release / "project", STAGE / "project", account)


def _install(made: Path, goal: Path) -> None:
    safe.remove(goal)
    tree.install(made, goal)


def _said(name: str, since: float) -> str:
    asked = (
        "journalctl",
        f"_SYSTEMD_UNIT={name}",
        f"--since=@{int(since)}",
        "--output=cat",
        "--no-pager",
    )
    lines = system.run(*asked).stdout.splitlines()
    return "\n".join(lines[-SAID_LINES:]) or f"it did not run; see journalctl -u {name}"
