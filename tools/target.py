"""The target that a command without TARGET means: the one that this checkout has running.

`target.py GOAL` becomes `make GOAL-TARGET`; `target.py loadtest` and `target.py name` print the
target. Where both run it asks for TARGET. Where none runs, `up` takes Compose when an engine
answers, and this machine otherwise; other commands say that nothing runs: `down` with exit status
0, `status` with 1, the rest with 2. `target.py compose` refuses what is another checkout's.
"""

import os
import subprocess
import sys
from pathlib import Path

import debian
from debian import ToolError, answers

ROOT = Path(__file__).resolve().parents[1]
PYTHON = ROOT / ".venv/bin/python"
LOCAL, COMPOSE = "local", "compose"
ENGINE = (("docker", "info"), ("docker", "compose", "version"))
LABELS = '{{index .Config.Labels "com.docker.compose.project.working_dir"}}'
STATES = {"running", "restarting", "paused"}
STATUS_OF_NONE = {"down": 0, "status": 1}
PRINTED = ("loadtest", "name")
"""goals that go on with the name of the target"""


def local_runs() -> bool:
    """Whether a server of the local target runs, with its directory or without.

    Raises:
        ToolError: an input is bad, and the message says which.
    """
    if not PYTHON.exists():  # nothing was ever started here
        return False
    done = subprocess.run(
        [str(PYTHON), "-m", "pgstack.targets.running"],
        env={**os.environ, "PYTHONPATH": str(ROOT / "app")},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ToolError(done.stderr.strip())
    return bool(done.stdout.strip())


def containers() -> list[tuple[str, Path]]:
    """State of each container of Compose's project, and the checkout that it was made from."""
    listed = (answers(["docker", "compose", "ps", "--all", "--quiet"]) or "").split()
    if not listed:
        return []
    form = f"{{{{.State.Status}}}} {LABELS}"
    rows = (answers(["docker", "inspect", f"--format={form}", *listed]) or "").splitlines()
    columns = (row.partition(" ") for row in rows)
    return [(state, Path(place).resolve()) for state, _, place in columns]


def require_own() -> None:
    """Compose would take what another checkout has under the same name for its own, data included.

    Raises:
        ToolError: there are such containers; those of a checkout that is gone are nobody's.
    """
    os.chdir(ROOT)
    for _, place in containers():
        if place != ROOT and (place / "compose.yaml").exists():
            raise ToolError(
                f"{place} has containers under the name that Compose has for this checkout, too. "
                f"Run `make down TARGET=compose` there, or give this one a name, and data, of its "
                f"own: COMPOSE_PROJECT_NAME=another, in the shell or in .env."
            )


def running() -> list[str]:
    """The targets that run; else Compose when it has left containers."""
    os.chdir(ROOT)
    states = [state for state, place in containers() if place == ROOT]
    compose = [COMPOSE] if STATES.intersection(states) else []
    return ([LOCAL] if local_runs() else []) + compose or ([COMPOSE] if states else [])


def engine_answers() -> bool:
    """Whether there is a Docker engine, with Compose."""
    return all(answers(command) is not None for command in ENGINE)


def meant(goal: str) -> str:
    """The target of the command.

    Raises:
        ToolError: both run.
        SystemExit: none runs, and the goal starts none.
    """
    targets = running()
    if len(targets) > 1:
        raise ToolError(
            f"{goal}: both targets of this checkout run, local and compose. Name one: "
            f"TARGET=local or TARGET=compose."
        )
    if goal == "up" and targets != [LOCAL]:
        return COMPOSE if targets or engine_answers() else LOCAL
    if goal == "restore" and not targets:
        raise ToolError(
            "restore: nothing of this checkout runs. Name what is to start with the backup: "
            "TARGET=local or TARGET=compose."
        )
    if not targets:
        print(f"{goal}: nothing of this checkout runs. `make up` starts it.", file=sys.stderr)
        raise SystemExit(STATUS_OF_NONE.get(goal, 2))
    return targets[0]


def work() -> None:
    """Print the target, or become the command for it."""
    goal = sys.argv[1]
    if goal == COMPOSE:
        require_own()
        return
    target = meant(goal)
    if goal in PRINTED:
        print(target)
        return
    make = os.environ.get("MAKE", "make")
    os.execvp(make, [make, "--no-print-directory", f"{goal}-{target}"])  # noqa: S606 - make waits for this very process


if __name__ == "__main__":
    debian.main("target", work)
