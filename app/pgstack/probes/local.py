"""Processes of the local target."""

from __future__ import annotations

from pathlib import Path

import psutil

from pgstack.errors import ProbeError
from pgstack.plan import Plan


def processes(plan: Plan) -> list[psutil.Process]:
    """Everything that the stack's supervisor started. Raises ProbeError when it does not run."""
    path = f"{plan.paths.root}/run/supervisord.pid"
    try:
        return psutil.Process(int(Path(path).read_text())).children(recursive=True)
    except (OSError, ValueError, psutil.NoSuchProcess) as error:
        raise ProbeError(f"{path}: {error}") from error
