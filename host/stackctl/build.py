"""A release's virtual environment, and the files that the project makes before it serves: made by
an account that reaches nothing, and then installed as root's.

Requirements run code at their installation. The units venv@ and build@ hold it; root only copies
what it has made.
"""

from __future__ import annotations

import time
from pathlib import Path

from pgstack.planning import services

from . import environments, safe, system, tree
from .safe import StackctlError
from .stack import Stack

ENVIRONMENT = "build"
"""file below `run`; read by systemd for the unit, and by root alone"""
COMMANDS = "build-commands"
"""beside it; of the project, for the unit"""
UNITS = ("venv", "build")
VENV = "venv"
MADE = {"project": "project", "static": "built"}
"""what the account makes of the project, and where a release has it; `project` begins as a copy,
for some requirements are built where they lie, and commands add files"""
SAID_LINES = 12
"""of pip's last words"""


def run(
    stack: Stack, name: str, requirements: str, shared: str, commands: str, variables: str
) -> str:
    """Make the virtual environment of release `name`, and the files that its commands make.

    `shared` is what decides the environment, where it may be one that other releases have too: then
    it is made only if there is none yet. `commands` are lists of words in JSON, `variables` lines
    of an environment file for all of it.

    Returns what was done. Raises StackctlError with what the installation said; there is no such
    environment then.
    """
    release = stack.root / "releases" / name
    begun, own = time.time(), {part: release / goal for part, goal in MADE.items()}
    text = f'{variables}STACK_REQUIREMENTS="{requirements}"\n'
    note = ""
    if shared:
        environment = environments.of_release(stack, release, shared, variables)
        note = f", with environment {environment.name}"
        if not environments.is_complete(environment):
            note = f", with a new environment {environment.name}"
            safe.remove(environment)
            ours = f'STACK_RELEASE="{release}"\nPYTHONPATH="{release}/app"\n'
            _make(stack, f"venv@{environment.name}", {VENV: environment}, text + ours)
            environments.complete(environment)
    else:
        safe.remove(release / VENV)
        own[VENV] = release / VENV
    safe.write(stack.run / COMMANDS, commands.encode(), 0o640, group=stack.accounts.build)
    try:
        _make(stack, f"build@{name}", own, text, release / "project")
    finally:
        safe.remove(stack.run / COMMANDS)
    system.require("/usr/bin/python3", "-I", "-m", "compileall", "-q", str(release / "app"))
    return f"{name} built in {time.time() - begun:.0f} s{note}"


def _make(
    stack: Stack, template: str, made: dict[str, Path], variables: str, project: Path | None = None
) -> None:
    """Let a unit build `made`, the path's name in the account's working directory, and install it
    at that path; the unit gets a copy of `project`. Raises StackctlError with the build's
    output."""
    account, unit = stack.accounts.build, services.unit(stack, f"{template}.service")
    stage, begun = Path("/var/lib", services.unit(stack, "build")), time.time()
    # What a stackctl has left that was killed would go on to write there.
    system.run("systemctl", "stop", *(services.unit(stack, f"{kind}@*") for kind in UNITS))
    safe.make_directory(stage, 0o700, account, account)
    for left in stage.iterdir():
        safe.remove(left)
    for part, goal in made.items():
        if goal == project:
            tree.install(project, stage / part, account)
        else:
            safe.make_directory(stage / part, 0o755, account, account)
            safe.make_directory(goal)
    safe.write(stack.run / ENVIRONMENT, variables.encode(), 0o600)
    try:
        if system.run("systemctl", "start", unit).returncode:
            raise StackctlError(_journal_text(unit, begun))
        for part, goal in made.items():
            safe.remove(goal)
            tree.install(stage / part, goal)
    finally:
        system.stop(unit)
        for path in (stack.run / ENVIRONMENT, *(stage / part for part in made)):
            safe.remove(path)


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
