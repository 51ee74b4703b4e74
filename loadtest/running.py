"""The plan of the stack that this checkout has running, whichever target that is."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping

from pydantic import ValidationError

from pgstack.errors import TargetError
from pgstack.planning import layout, state
from pgstack.planning.plan import Plan

FINDER = ("/usr/bin/python3", "-B", str(layout.CHECKOUT / "tools/target.py"), "loadtest")
READ = ("docker", "compose", "exec", "--no-TTY", "web", "cat", "/etc/stack/plan.json")


def plan(environment: Mapping[str, str]) -> Plan:
    """That of TARGET, else of the target that runs. Raises TargetError when none or both run."""
    target = environment.get("TARGET") or _output(FINDER).strip()
    if target != "compose":
        return state.started_plan()
    try:
        return Plan.model_validate_json(_output(READ))
    except ValidationError:
        raise TargetError(
            "compose: what runs is of another version. Start it anew with `make up TARGET=compose`."
        ) from None


def _output(command: tuple[str, ...]) -> str:
    done = subprocess.run(command, cwd=layout.CHECKOUT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise TargetError(done.stderr.strip())
    return done.stdout
