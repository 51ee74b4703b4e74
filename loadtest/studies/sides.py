"""Two stacks that take turns and each run where their own release is: what is said to `served.py`,
and what it answers."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Literal

from loadtest.lab.changes import CHANGES
from loadtest.lab.generator import Progress
from loadtest.lab.model import Record
from loadtest.lab.suites import SUITES, Suite
from pgstack.errors import TargetError

END_SECONDS = 60
"""in which a side stops its servers and deletes its stack"""


class Order(Record):
    """What a side is told to do: run what is meant by `label`; look at it; stop it; or measure the
    `limit` of that name."""

    do: Literal["serve", "look", "stop", "limit"]
    label: str = ""
    progress: Progress | None = None
    limit: str = ""
    page: str = ""
    users: int = 1


class Answer(Record):
    """To each order but `look`, and the first, which nobody has asked for, to what is there."""

    error: str | None = None
    versions: dict[str, str] = {}
    plan: dict[str, int | str] = {}
    missing: dict[str, str] = {}
    """label → why it cannot run there"""
    url: str = ""
    fields: dict[str, Any] = {}
    """of a Trial: what was seen of the servers"""
    rate: float = 0.0
    """requests/s"""


def suite_of(label: str) -> Suite:
    """Where `label` is explained: among the strategies or among the changes to the stack."""
    return SUITES["tuning" if label in CHANGES else "strategies"]


class Serving:
    """What runs under a label until it is stopped."""

    def __init__(self, side: Side, url: str) -> None:
        self.url, self._side, self._stopped = url, side, False

    def look(self, progress: Progress) -> None:
        """The generator is so far."""
        self._side.tell(Order(do="look", progress=progress))

    def stop(self) -> dict[str, Any]:
        """Fields of a trial."""
        if self._stopped:
            return {}
        self._stopped = True
        return self._side.ask(Order(do="stop")).fields


class Side:
    """A process of `served.py`, started by `command`. Raises TargetError where it cannot do what it
    is told, in the name of `where`."""

    def __init__(self, where: str, command: Sequence[str]) -> None:
        self.where = where
        # In a session of its own: an interrupt is for this process, which then ends that one.
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.seen = Answer()

    def ready(self) -> None:
        """Wait until it has a stack."""
        self.seen = self._answer()

    @contextmanager
    def serving(self, label: str) -> Iterator[Serving]:
        """Its servers, started now and stopped afterwards."""
        serving = Serving(self, self.ask(Order(do="serve", label=label)).url)
        try:
            yield serving
        finally:
            serving.stop()

    def ask(self, order: Order) -> Answer:
        """Say it, and return what is answered."""
        self.tell(order)
        return self._answer()

    def tell(self, order: Order) -> None:
        """Say it."""
        assert self._process.stdin
        try:
            self._process.stdin.write(order.model_dump_json() + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise TargetError(f"{self.where}: it has ended. Its last words are above.") from None

    def end(self) -> None:
        """Its stack goes."""
        with self._process, suppress(BrokenPipeError):
            assert self._process.stdin
            self._process.stdin.close()
            try:
                self._process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()

    def _answer(self) -> Answer:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise TargetError(f"{self.where}: it has ended. Its last words are above.")
        answer = Answer.model_validate_json(line)
        if answer.error:
            raise TargetError(f"{self.where}: {answer.error}")
        return answer
