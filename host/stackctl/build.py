"""A release's virtual environment, and the files that the project makes before it serves: made by
an account that reaches nothing, and then installed as root's.

Requirements run code at their installation. The unit build@ holds it; root only copies what
it has made.
"""

from __future__ import annotations

import time
from pathlib import Path

from pgstack.planning import services

from . import safe, system, tree
from .safe import StackctlError
from .stack import Stack

ENVIRONMENT = "build"
"""file below `run`; read by systemd for the unit, and by root alone"""
COMMANDS = "build-commands"
"""beside it; of the project, for the unit"""
MADE = {"venv": "venv", "project": "project", "static": "built"}
"""what the account makes, and where a release has it; `project` begins as a copy, for some
requirements are built where they lie, and commands add files"""
SAID_LINES = 12
"""of pip's last words"""


def run(stack: Stack, name: str, requirements: str, commands: str, variables: str) -> str:
    """Make the virtual environment of release `name`, and the files that its commands make.

    `commands` are lists of words in JSON, `variables` lines of an environment file for all of it.

    Returns what was done. Raises StackctlError with what the installation said; there is no such
    environment then.
    """
    release, account = stack.root / "releases" / name, stack.accounts.build
    stage = Path("/var/lib", services.unit(stack, "build"))
    begun = time.time()
    _prepare(stage, release, account)
    text = f'{variables}STACK_REQUIREMENTS="{requirements}"\n'
    safe.write(stack.run / ENVIRONMENT, text.encode(), 0o600)
    safe.write(stack.run / COMMANDS, commands.encode(), 0o640, group=account)
    try:
        if system.run("systemctl", "start", unit(stack, name)).returncode:
            raise StackctlError(_journal_text(unit(stack, name), begun))
        for part, goal in MADE.items():
            _install(stage / part, release / goal)
    finally:
        system.stop(unit(stack, name))
        for path in (
            stack.run / ENVIRONMENT,
            stack.run / COMMANDS,
            *(stage / part for part in MADE),
        ):
            safe.remove(path)
    system.require("/usr/bin/python3", "-I", "-m", "compileall", "-q", str(release / "app"))
    return f"{name} built in {time.time() - begun:.0f} s"


def unit(stack: Stack, name: str) -> str:
    """Name of the unit that builds a release."""
    return services.unit(stack, f"build@{name}.service")


def _prepare(stage: Path, release: Path, account: str) -> None:
    """Where the account works: an empty environment, and a copy of the project."""
    safe.make_directory(stage, 0o700, account, account)
    for part in MADE:
        safe.remove(stage / part)
    for part in ("venv", "static"):
        safe.make_directory(stage / part, 0o755, account, account)
        safe.make_directory(release / part)
    tree.install(release / "project", stage / "project", account)


def _install(made: Path, goal: Path) -> None:
    safe.remove(goal)
    tree.install(made, goal)


def _journal_text(name: str, since: float) -> str:
    asked = (
        "journalctl",
        f"_SYSTEMD_UNIT={name}",
        f"--since=@{int(since)}",
        "--output=cat",
        "--no-pager",
    )
    lines = system.run(*asked).stdout.splitlines()
    return "\n".join(lines[-SAID_LINES:]) or f"it did not run; see journalctl -u {name}"
