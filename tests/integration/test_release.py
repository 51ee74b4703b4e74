"""New code on the local stack: its processes are replaced under load, and what does not work is
never loaded."""

from __future__ import annotations

from fixtures import steady_load
from fixtures.local_stack import LocalStack


def test_processes_are_replaced_without_losing_a_request(stack: LocalStack) -> None:
    before = {process.pid for process in stack.daemons()}
    address = f"http://127.0.0.1:{stack.port}"
    done = steady_load.under_load(
        address, "localhost", lambda: stack.manage("stack_local", "release")
    )
    assert done.returncode == 0, done.stderr
    after = {process.pid for process in stack.daemons()}
    assert len(after) == len(before) == 2
    assert not after & before


def test_a_stack_that_does_not_run_cannot_be_released(stack: LocalStack) -> None:
    stack.manage("stack_local", "down")
    try:
        done = stack.manage("stack_local", "release")
        assert done.returncode == 2
        assert "release: the stack does not run. Start it with `make up`" in done.stderr
    finally:
        assert stack.manage("stack_local", "up").returncode == 0
