"""What comes before web processes load code: the project's environment, its checks, migrations and
static files, and a trial."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pgstack.errors import TargetError
from pgstack.ops import drain
from pgstack.planning import layout
from pgstack.targets import failure, project, workers
from pgstack.targets.run import Run


def prepare(run: Run) -> None:
    """Everything, beside code that serves meanwhile. Raises TargetError."""
    project.prepare(replace(run, say=lambda _: None))
    build(run)
    workers.require_commands(run)
    manage(run, "check")
    collect_static(run)
    migrate(run)
    require_answers(run, "The code that was loaded before keeps serving.")


def build(run: Run) -> None:
    """Files that the project makes before it serves. Raises TargetError with the command that
    failed."""
    if run.plan.project is None or not run.plan.project.build:
        return
    done = project.python_run(run, "-m", "pgstack.overlay.build")
    if done.returncode:
        raise TargetError(f"{done.stderr.strip()}{failure.traceback_note(run.plan, done.stdout)}")
    for line in done.stdout.splitlines():
        run.say(line)


def migrate(run: Run) -> None:
    """The schema, and what the project asks for after it. Raises TargetError."""
    manage(run, "migrate", "--no-input", "-v0")
    for words in layout.commands(run.plan):
        manage(run, *words)


def collect_static(run: Run) -> None:
    """Static files; those of a run that did not end are made again, for the last may be cut off.

    Raises TargetError.
    """
    unfinished = Path(run.plan.paths.root, "static.unfinished")
    anew = ["--clear"] if unfinished.exists() else []
    try:
        unfinished.touch()
        manage(run, "collectstatic", "--no-input", "-v0", *anew)
        unfinished.unlink()
    except OSError as error:
        raise TargetError(
            f"{unfinished}: {error.strerror}. Fix it and run `make up` again."
        ) from None


def require_answers(run: Run, instead: str) -> None:
    """Ask the application for its front page, in a process of its own. Raises TargetError, ending
    with `instead`."""
    plan = run.plan
    trial = ("-m", "pgstack.serving.trial", plan.web.wsgi, plan.site.hosts[0].lstrip("."))
    done = project.python_run(run, *trial, *drain.PAGES)
    if done.returncode:
        raise TargetError(f"{plan.web.wsgi}: {failure.reason_of(plan, done.stderr)} {instead}")


def manage(run: Run, *arguments: str) -> None:
    """A management command of the project. Raises TargetError."""
    done = project.python_run(run, *project.manage(run.plan), *arguments)
    failure.require(run.plan, done, f"manage.py {arguments[0]}")
