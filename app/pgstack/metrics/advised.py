"""Advice as it is shown and kept, and whether following it helped."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pgstack.errors import ProbeError, StackError
from pgstack.live.probes import exporter as probe
from pgstack.metrics import postgres, scraped, statements, web
from pgstack.metrics.advice import ADVISED, Advice, advise, quantities, without_statements
from pgstack.metrics.measured import Measured, measured
from pgstack.planning import input_names, targets
from pgstack.planning.plan import Plan

NAME = "advice.json"
SHOWN = 3
"""statements"""
TEXT = 100
"""characters of one"""
MINUTE = 60


@dataclass(frozen=True)
class Advised:
    """What was measured, and the advice that follows."""

    measured: Measured
    advice: list[Advice]
    quantities: dict[str, str]
    """what each input is meant to improve, as it was, in words"""


def now(plan: Plan, last: float | None = None) -> Advised:
    """Advice for the stack that runs. Raises ProbeError if too little was measured."""
    return by(of_now(plan, last), plan)


def of_now(plan: Plan, last: float | None) -> Measured:
    """What its exporter remembers. Raises ProbeError if that is too little."""
    if plan.metrics is None:
        raise ProbeError("advice: STACK_OBSERVABILITY=off: nothing is measured. Unset it.")
    figures = json.loads(probe.ask(plan.metrics, f"{probe.PAGE}{probe.FIGURES}?since=0").body)
    if figures.get("now") is None:
        raise ProbeError("advice: the exporter has just started. Let it measure for a minute.")
    memory = scraped.reading(probe.scrape(plan.metrics)).largest(web.MEMORY)
    return measured(figures, memory, statements_of(plan), last)


def by(figures: Measured, plan: Plan) -> Advised:
    """The advice that follows from these figures."""
    return Advised(figures, advise(figures, plan), quantities(figures, plan))


def statements_of(plan: Plan) -> list[dict[str, Any]]:
    """Those that have taken most time since PostgreSQL began to count; none if it does not say."""
    rows = postgres.asked_once(plan, statements.STATEMENTS) or []
    heaviest: list[dict[str, Any]] = statements.told({"statements": rows})["statements"]
    return heaviest[:SHOWN]


@dataclass(frozen=True)
class Subject:
    """What the advice is about: the stack that runs, or that of a run of the load lab."""

    plan: Plan
    measure: Callable[[], Measured]
    """raises StackError"""
    file: Path
    """where the last advice is kept"""
    gives: str
    """command that gives advice"""
    change: str
    """what to do next, with {} for the inputs"""

    def advised(self) -> Advised:
        """Advice by what is measured now."""
        return by(self.measure(), self.plan)


def running(plan: Plan, last: float | None) -> Subject:
    """The stack that runs. Its advice is kept at a place of the account that deploys."""
    target, file = targets.of(plan.target), Path(plan.paths.cache, plan.accounts.deploy, NAME)
    return Subject(plan, lambda: of_now(plan, last), file, target.advise, target.change)


def dumped(advised: Advised) -> str:
    """As JSON (docs/advice.md)."""
    return json.dumps({"time": round(time.time()), **asdict(advised)}, indent=1)


def kept_text(advised: Advised) -> str:
    """What is kept for a check after the change."""
    return dumped(replace(advised, measured=without_statements(advised.measured)))


def save(advised: Advised, path: Path) -> None:
    """Keep it for a check after the change. Raises StackError."""
    try:
        path.write_text(kept_text(advised))
    except OSError as error:
        raise StackError(f"{path}: {error.strerror}. The advice holds; it was not kept.") from None


def kept(subject: Subject) -> Advised:
    """The last advice. Raises StackError if there is none."""
    path = subject.file
    try:
        return loaded(path.read_text())
    except FileNotFoundError:
        raise StackError(f"{path}: no advice was given yet. `{subject.gives}` gives it.") from None
    except (OSError, ValueError):
        raise StackError(f"{path}: cannot be read. `{subject.gives}` writes it anew.") from None


def loaded(text: str | bytes) -> Advised:
    """Advice that was dumped. Raises ValueError."""
    try:
        fields = json.loads(text)
        advice = [Advice(**item) for item in fields["advice"]]
        return Advised(Measured(**fields["measured"]), advice, fields["quantities"])
    except (LookupError, TypeError) as error:
        raise ValueError(f"no advice: {error}") from None


def field(name: str) -> str:
    """Name of an input's field in the planner."""
    return name.removeprefix(input_names.PREFIX).lower()


def lines(
    advised: Advised, plan: Plan, refused: str = "", change: str | None = None
) -> Iterator[str]:
    """For people. `refused` is the planner's objection; `change` says what to do next, if not the
    same as for a stack that runs."""
    target = targets.of(plan.target)
    yield f"measured  {window(advised.measured)}"
    for advice in advised.advice:
        own = target.input(field(advice.input))
        name = f"{own}  {advice.now} -> {advice.to}" if advice.input else "note"
        yield f"\n{name}\n  because  {advice.because}\n  brings   {advice.brings}"
    if advised.advice:
        yield ""
    for row in advised.measured.statements:
        each = 1000 * row["seconds"] / max(1, row["calls"])
        text = row["text"][:TEXT]
        yield f"{row['share']:4.0%} of SQL, {row['calls']:,} x {each:.1f} ms: {text}"
    if changes := [f"{target.input(field(a.input))}={a.to}" for a in advised.advice if a.input]:
        if refused:
            yield f"together  {refused}"
        yield f"next      {(change or target.change).format(' '.join(changes))}"
    elif not advised.advice:
        yield "all is well: no input needs to change"


def window(figures: Measured) -> str:
    """What was measured, in a line."""
    slow = "" if figures.p99 is None else f", p99 {figures.p99:.2f} s"
    cpu = "" if figures.cpu is None else f", processors busy to {figures.cpu:.0%}"
    return (
        f"{figures.requests:.1f} requests/s{slow}{cpu}, in the busiest "
        f"{_length(figures.seconds)} of {_length(figures.of)}"
    )


def _length(seconds: float) -> str:
    return f"{seconds / MINUTE:.0f} min" if seconds >= 2 * MINUTE else f"{seconds:.0f} s"


def checked(before: Advised, after: Advised, plan: Plan) -> tuple[bool, list[str]]:
    """Whether what was advised is in force and has helped, and lines that say so."""
    was, is_ = before.measured, after.measured
    target = targets.of(plan.target)
    again = {advice.input: advice for advice in after.advice}
    told, well = [f"before    {window(was)}", f"now       {window(is_)}"], True
    for advice in before.advice:
        if not advice.input:
            continue
        planned = ADVISED[advice.input](plan)
        had, has = before.quantities[advice.input], after.quantities[advice.input]
        if planned != advice.to:
            word = f"not in force: it is {planned}, {advice.to} was advised"
        elif advice.input in again:
            word = f"not enough: {again[advice.input].to} is advised now"
        else:
            word = "mended"
        well = well and word == "mended"
        name = target.input(field(advice.input))
        told.append(f"{name}={advice.to}  {word}: {had} before, {has} now")
    if len(told) == 2:
        told.append("nothing was advised")
    return well, told
