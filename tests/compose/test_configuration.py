"""What lies in the volume `conf`: the files that the planner's own `render` gives for the plan
beside them."""

from __future__ import annotations

import json

import pytest
from compose_stack import ComposeStack

from pgstack.planning.plan import Plan
from pgstack.rendering import templates

pytestmark = pytest.mark.compose

# Bytes as Latin-1, one character each, so that JSON carries any file as it is.
READ = """
import json, pathlib
files = [path for path in pathlib.Path("/etc/stack").rglob("*") if not path.is_dir()]
print(json.dumps({str(path): [path.stat().st_mode & 0o7777, path.read_bytes().decode("latin-1")] for path in files}))
"""


def contents(stack: ComposeStack) -> dict[str, tuple[int, bytes]]:
    """Mode and content of every file in the volume, as the web container sees it."""
    read = json.loads(stack.execute("web", "python", "-c", READ).stdout)
    return {path: (mode, text.encode("latin-1")) for path, (mode, text) in read.items()}


def test_the_volume_holds_what_render_gives_for_its_plan_and_nothing_else(
    stack: ComposeStack,
) -> None:
    files = contents(stack)
    plan = Plan.model_validate_json(files["/etc/stack/plan.json"][1])
    wanted = {str(file.path): (file.mode, file.text.encode()) for file in templates.files(plan)}
    assert len(wanted) == 15
    assert files == wanted


def test_render_finds_no_difference_in_the_volume(stack: ComposeStack) -> None:
    done = stack.compose(
        "run", "--rm", "--no-deps", "--no-TTY", "manage", "stack_render", "--check", check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_render_shows_what_another_input_would_change(stack: ComposeStack) -> None:
    check = (
        "run",
        "--rm",
        "--no-deps",
        "--no-TTY",
        "--env=STACK_THREADS=3",
        "manage",
        "stack_render",
        "--check",
    )
    done = stack.compose(*check, check=False)
    assert done.returncode == 1
    assert "threads=3" in done.stdout
