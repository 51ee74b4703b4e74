"""stack_verify inside the project's network, as `make verify TARGET=compose` runs it."""

from __future__ import annotations

import json

from compose_stack import ComposeStack


def test_verify_is_green_in_containers(stack: ComposeStack) -> None:
    done = stack.compose("run", "--rm", "--no-TTY", "manage", "stack_verify", "--json", check=False)
    findings = json.loads(done.stdout)
    assert [row for row in findings if not row["holds"]] == []
    assert len(findings) == 11
    assert done.returncode == 0
