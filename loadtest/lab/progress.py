"""How far a run is: one bar for the whole of it on a terminal, one line for each trial where nobody
watches."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from loadtest.lab.design import Slot
from loadtest.lab.generator import Progress as Event

BESIDES = 5.0
"""seconds that each server of a trial takes on an idle machine beside its measured part: start,
warm-up, stop"""
LABEL_WIDTH, BAR_WIDTH = 31, 12
"""columns; all of a line fits into 80"""
PHASES = {"warming": "warming up", "measuring": "measuring", "draining": "last answers"}


def expected(slot: Slot, seconds: float) -> float:
    """Seconds that a trial takes whose servers are measured for `seconds` each."""
    return (2 if slot.beside else 1) * (seconds + BESIDES)


def left(expected: Sequence[float], made: int, passed: float) -> float:
    """Seconds that the rest of a run takes, when its first `made` steps took `passed`.

    `expected` are the steps' own seconds, made ones included. The rest is taken to be slower or
    faster than expected by as much as what was made.
    """
    rest = sum(expected[made:])
    return rest * passed / sum(expected[:made]) if made else rest


def clock(seconds: float) -> str:
    """1:05 for 65 seconds, 1:02:03 beyond an hour."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class Meter:
    """Steps of a run in their order; each takes about its number of `expected` seconds."""

    def __init__(self, console: Console, expected: Sequence[float]) -> None:
        self._console, self._expected = console, expected
        self._made, self._begin = 0, time.monotonic()
        self._step = self._begin
        self._label = ""
        columns = (
            TextColumn(f"{{task.description:<{LABEL_WIDTH}}}"),
            BarColumn(BAR_WIDTH),
            MofNCompleteColumn(),
            TextColumn("{task.fields[left]} left"),
            TextColumn("{task.fields[phase]:<12}"),
        )
        self.bar = Progress(
            *columns, console=console, transient=True, disable=not console.is_terminal
        )
        self._task = self.bar.add_task("", total=len(expected), phase="", left=clock(sum(expected)))

    def begin(self, label: str) -> None:
        """Show that the next step begins."""
        self._label, self._step = label, time.monotonic()
        self.bar.update(self._task, description=label, phase="starting", left=self._left())

    def see(self, event: Event) -> None:
        """What the generator does in this step."""
        self.bar.update(self._task, phase=PHASES[event.phase], left=self._left())

    def end(self, result: str) -> None:
        """The step is made; `result` says in a few words what came of it."""
        self._made, self._step = self._made + 1, time.monotonic()
        self.bar.update(self._task, completed=self._made, left=self._left())
        if not self._console.is_terminal:
            place = f"{self._made:>{len(str(len(self._expected)))}}/{len(self._expected)}"
            line = f"{place}  {self._label:<{LABEL_WIDTH}}  {result}, {self._left()} left"
            self._console.print(escape(line), highlight=False, soft_wrap=True)

    def _left(self) -> str:
        seconds = left(self._expected, self._made, self._step - self._begin)
        return clock(max(seconds - (time.monotonic() - self._step), 0.0))


@contextmanager
def shown(console: Console, expected: Sequence[float]) -> Iterator[Meter]:
    """A meter on `console` until the run ends."""
    meter = Meter(console, expected)
    with meter.bar:
        yield meter
