"""The project that a local stack serves: its virtual environment, and its commands."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from pgstack.errors import StackError, TargetError
from pgstack.ops import replacing
from pgstack.planning import dependencies, layout, targets
from pgstack.planning.background import MANAGE_MODULE
from pgstack.planning.plan import Plan
from pgstack.targets import failure
from pgstack.targets.run import Run

KEPT = 2
"""virtual environments: the one in use, and the one before, which processes may still import
from"""
UMASK = 0o002
"""where pages, workers and commands run as several accounts: they share a group, and may change
what another one has written"""


def prepare(run: Run) -> bool:
    """Have the virtual environment that the project needs, and its settings laid over; whether it
    is another one now.

    The demo needs nothing. Raises TargetError when it cannot be made, or the overlay refuses the
    project.
    """
    if run.plan.project is None:
        return False
    changed = _environment(run)
    done = python_run(run, "-m", "pgstack.overlay")
    if done.returncode:
        reason = done.stderr.strip() or f"pgstack.overlay ended with {done.returncode}."
        raise TargetError(f"{reason}{failure.traceback_note(run.plan, done.stdout)}")
    for line in done.stdout.splitlines():
        run.say(f"overlay   {line}")
    return changed


def _environment(run: Run) -> bool:
    """`paths.venv` leads to the environment of these requirements; an unfinished one is made
    anew."""
    plan = run.plan
    link, place, named = (
        Path(plan.paths.venv),
        Path(plan.paths.app),
        plan.project.requirements if plan.project else "",
    )
    try:
        wanted = _required_environment(plan)
        if not (wanted / dependencies.COMPLETE).exists():
            run.say(f"python    installing {named or 'what the stack needs'} into {wanted}")
            shutil.rmtree(wanted, ignore_errors=True)
            dependencies.install(wanted, layout.REQUIREMENTS, place, named)
            (wanted / dependencies.COMPLETE).touch()
        if link.is_symlink() and link.readlink() == wanted:
            return False
        with (
            replacing.directory(link.parent) as parent,
            replacing.replacing(parent, link.name) as fresh,
        ):
            os.symlink(wanted, fresh, dir_fd=parent)
        _clear(wanted.parent)
    except dependencies.DependencyError as error:
        raise TargetError(str(error)) from None
    except OSError as error:
        raise TargetError(
            f"{error.filename}: {error.strerror}. Free the space or the rights and try again."
        ) from None
    return True


def _required_environment(plan: Plan) -> Path:
    """Where the environment of the requirements is that the project has now."""
    named = plan.project.requirements if plan.project else ""
    texts = dependencies.texts(Path(plan.paths.app), named)
    return Path(plan.paths.venv).with_name("venvs") / dependencies.digest(
        layout.REQUIREMENTS, texts
    )


def is_current(plan: Plan) -> bool:
    """Whether the environment that is in use is the one that the project needs now."""
    if plan.project is None:
        return True
    link = Path(plan.paths.venv)
    try:
        return link.is_symlink() and link.readlink() == _required_environment(plan)
    except dependencies.DependencyError as error:
        raise TargetError(str(error)) from None


def _clear(environments: Path) -> None:
    newest_first = sorted(
        environments.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True
    )
    for path in newest_first[KEPT:]:
        shutil.rmtree(path)


def python(plan: Plan) -> str:
    """The Python that runs the project's code. Raises StackError when there is none yet."""
    if plan.project is None or not targets.of(plan.target).makes_environment:
        return sys.executable
    path = f"{plan.paths.venv}/bin/python"
    if not Path(path).exists():
        raise StackError(
            f"{plan.paths.venv}: the project's virtual environment is not there. `make up` makes "
            f"it."
        )
    return path


def manage(plan: Plan) -> list[str]:
    """What begins a management command of the project, behind Python."""
    return ["-m", MANAGE_MODULE] if plan.project else [f"{plan.paths.app}/manage.py"]


def variables(plan: Plan) -> dict[str, str]:
    """Environment variables of the project's processes."""
    path = [
        *plan.web.python_path,
        *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)),
    ]
    own = {"DJANGO_SETTINGS_MODULE": plan.web.settings} if plan.project else {}
    return {
        **os.environ,
        **own,
        "STACK_PLAN": f"{plan.paths.conf}/plan.json",
        "PYTHONPATH": os.pathsep.join(path),
    }


def python_run(run: Run, *words: str) -> subprocess.CompletedProcess[str]:
    """Python with these words, where the project is."""
    return subprocess.run(
        [python(run.plan), *words],
        cwd=run.plan.paths.app,
        env=variables(run.plan),
        capture_output=True,
        text=True,
        check=False,
        pass_fds=run.inherited,
    )


def become(plan: Plan, words: list[str]) -> None:
    """Turn this process into a management command of the project. Raises StackError."""
    os.chdir(plan.paths.app)
    if plan.accounts.web != plan.accounts.deploy and os.geteuid():  # root builds images
        os.umask(UMASK)
    os.execve(python(plan), [python(plan), *manage(plan), *words], variables(plan))  # noqa: S606 - the same command
