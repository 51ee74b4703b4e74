"""One stack for all tests of this directory, which one worker of pytest runs; it is removed whatever
happens."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from compose_stack import ComposeStack, require_engine

from pgstack.ports import free_port


@pytest.fixture(scope="package")
def compose_stack() -> Iterator[ComposeStack]:
    """The stack, built and up. No step comes before `docker compose up --build --wait`."""
    require_engine()
    stack = ComposeStack(project=f"pgstack-test-{os.getpid()}", port=free_port())
    try:
        stack.up("--build")
        yield stack
    finally:
        stack.remove()
    assert stack.orphans() == []


@pytest.fixture
def stack(compose_stack: ComposeStack) -> ComposeStack:
    """The stack, answering: an earlier test may have broken it on purpose."""
    compose_stack.wait_until_steady()
    return compose_stack
