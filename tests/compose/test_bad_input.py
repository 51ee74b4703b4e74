"""`make up TARGET=compose` refuses a bad input of the shell, also one that compose.yaml does not
know."""

from __future__ import annotations

import pytest
from compose_stack import ComposeStack


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("STACK_PROCESES=4", "STACK_PROCESES: unknown input; did you mean STACK_PROCESSES?"),
        ("STACK_POOL_SIZE=0", "STACK_POOL_SIZE=0: Input should be greater than or equal to 1"),
        ("STACK_MEMORY=64m", "m is enough"),
        ("STACK_EGRESS=shut", "STACK_EGRESS=shut: Input should be 'closed'. Meaning:"),
    ],
)
def test_make_up_refuses_bad_inputs_and_leaves_the_containers_alone(
    stack: ComposeStack, given: str, message: str
) -> None:
    before = stack.container("web")
    done = stack.run("env", given, "make", "up", "TARGET=compose", check=False)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert stack.container("web") == before
    assert stack.get("/readyz")[0] == 200
