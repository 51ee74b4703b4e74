"""The stack serves another project."""

from __future__ import annotations

from pathlib import Path

from fixtures.local_stack import LocalStack


def serve(stack: LocalStack, project: Path, **inputs: str) -> None:
    """Raises AssertionError with the logs where it does not."""
    done = stack.manage("stack_local", "up", STACK_PROJECT=str(project), **inputs)
    assert done.returncode == 0, f"{done.stderr}\n{stack.logs()}"
