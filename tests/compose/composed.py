"""A project of other people in containers, for what is to hold of it on each target."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from compose_stack import ComposeStack, require_engine

from fixtures.steady_load import under_load
from pgstack.ports import free_port


@dataclass(frozen=True)
class Composed:
    """One of them in containers."""

    stack: ComposeStack

    @property
    def url(self) -> str:
        return self.stack.url

    def command(self, *words: str, **environment: str) -> str:
        given = [f"--env={name}={value}" for name, value in environment.items()]
        run = ("run", "--rm", "--no-deps", "--no-TTY", *given, "manage")
        return self.stack.compose(*run, *words).stdout

    def asked(self, statement: str) -> str:
        return self.stack.sql(statement)

    def make(self, goal: str) -> None:
        print(self.stack.run("make", "--silent", "TARGET=compose", goal).stdout)

    def released(self, page: str) -> None:
        self.command("stack_verify")
        # Unchanged, it would not be built again.
        Path(self.stack.inputs["STACK_PROJECT"], "changed").touch()
        under_load(self.url, "127.0.0.1", lambda: self.make("release"), page=page)
        self.command("stack_verify")


@contextmanager
def up(name: str, inputs: dict[str, str]) -> Iterator[Composed]:
    """The stack with a project, as `make up` starts it."""
    require_engine()
    stack = ComposeStack(f"pgstack-{name}-{os.getpid()}", free_port(), inputs)
    try:
        Composed(stack).make("up")
        yield Composed(stack)
    finally:
        stack.remove()
    assert stack.orphans() == []
