"""stack_pools against the real pooler, and its error when there is none."""

from __future__ import annotations

from pathlib import Path

from fixtures.local_stack import LocalStack


def test_pools_show_the_application_in_transaction_mode(stack: LocalStack) -> None:
    done = stack.manage("stack_pools", COLUMNS="200")
    assert done.returncode == 0, done.stderr
    row = next(line for line in done.stdout.splitlines() if "│ app" in line)
    assert "transaction" in row


def test_pools_of_a_stack_that_is_not_up_end_with_one_clear_error(
    stack: LocalStack, tmp_path: Path
) -> None:
    done = stack.manage("stack_pools", STACK_DIR=f"/tmp/{tmp_path.name[:20]}")
    assert done.returncode == 2
    assert "PgBouncer's console" in done.stderr
    assert "make status" in done.stderr
