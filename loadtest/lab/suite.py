"""`make loadtest`: a run of the lab from its inputs to its report."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from loadtest import inputs
from loadtest.lab import (
    compare,
    course,
    design,
    gates,
    limits,
    machine,
    own,
    progress,
    stack,
    store,
    summary,
    trial,
)
from loadtest.lab.design import Slot
from loadtest.lab.generator import Progress as Event
from loadtest.lab.model import Load, Results, Trial
from loadtest.lab.processes import pinned
from loadtest.lab.request import LARGEST_SEED, Request, given, request, resumed
from loadtest.lab.server import LabStack
from loadtest.lab.stack import Brought
from loadtest.lab.store import Journal
from loadtest.lab.suites import SUITES, Suite
from loadtest.lab.trial import Bench, Cores
from loadtest.lab.yardstick import Yardstick, best
from pgstack.errors import InputError

QUICK_ROUNDS = 1
"""of the limits; a full run makes as many as it has blocks"""
PATIENCE = 0.1
"""part of a run's time that may be added to it on a machine that is not calm"""


def run(environment: Mapping[str, str], console: Console) -> int:
    """Measure, report, and return the exit status. Raises StackError, for bad input before anything
    is started."""
    journal, asked = _begin(environment)
    told = {**journal.results.asked, **environment}
    own.require_pages(told, asked.visits)
    old = _old(environment, journal.results)
    cores = machine.cores(asked.shared)
    stack.become_account(journal.directory, _brought(journal, asked, told))
    console.print(
        f"two stacks in turns on core {_text(cores.stack)}, load from core {_text(cores.generator)}"
    )
    whole = False
    try:
        with ExitStack() as kept:
            with console.status("setting up"):
                grounds = _grounds(kept, journal, asked, cores, told)
            with pinned(cores.generator):  # what looks at the stack takes none of its time
                _measure(journal, asked, grounds, cores, console)
        whole = True
    except KeyboardInterrupt:
        pass  # once; see `interrupts`
    return course.finish(journal, console, old, whole=whole)


def _begin(environment: Mapping[str, str]) -> tuple[Journal, Request]:
    """The run to make: a new one, or what is left of the last one."""
    root = course.root(environment)
    if not inputs.flag(environment, "RESUME"):
        asked = request(environment, secrets.randbelow(LARGEST_SEED))
        return Journal(_planned(asked, given(environment, asked.seed)), course.new(root)), asked
    directory = store.latest(root)
    results = store.read(directory)
    asked = resumed(environment, results)
    compare.require_same(_planned(asked, results.asked), results, "RESUME=1")
    if results.made >= results.intended and (results.limits or not SUITES[asked.suite].limits):
        raise InputError(
            f"RESUME=1: nothing is left of the last run, {directory}. Leave RESUME out for a new "
            f"one."
        )
    return Journal(results, directory), asked


def _planned(asked: Request, given: dict[str, str]) -> Results:
    """A run before its first trial, without what only a stack can say."""
    suite = SUITES[asked.suite]
    return Results(
        suite=suite.name,
        page=asked.page,
        project=own.name() if asked.visits else "",
        seed=asked.seed,
        blocks=asked.blocks,
        users=asked.users,
        seconds=asked.seconds,
        asked=given,
        intended=len(asked.slots({})),
        started=course.now(),
        machine=machine.machine(machine.cores(asked.shared)),
        versions={},
        plan={},
        unavailable={},
        strategies={name: suite.labels[name] for name in asked.strategies},
        reference=suite.reference,
    )


def _old(environment: Mapping[str, str], planned: Results) -> Results | None:
    """What COMPARE names. Raises InputError when this run cannot be compared with it."""
    name = environment.get("COMPARE")
    if not name:
        return None
    old = store.read(Path(name))
    compare.require_same(planned, old, f"COMPARE={name}")
    return old


def _grounds(
    kept: ExitStack, journal: Journal, asked: Request, cores: Cores, told: Mapping[str, str]
) -> tuple[LabStack, LabStack]:
    """Two stacks, down, until `kept` ends. What the first says is added to the results of a new
    run; one that goes on has it."""
    suite = SUITES[asked.suite]
    strategies = [] if asked.visits else [suite.subject(name)[0] for name in asked.strategies]
    brought = _brought(journal, asked, told)
    first = kept.enter_context(stack.prepared(cores.stack, strategies, brought))
    plan = first.plan
    missing = {name: reason for name in asked.strategies if (reason := suite.missing(name, plan))}
    more: dict[str, object] = {}
    if asked.visits:
        first = own.logged_in(told, first, cores)
        seen = own.look(told, asked.visits, first, cores)
        more = {"pages": seen.pages, "covered": asked.visits.share(seen.pages)}
        if not journal.results.plan:
            names = [name for name in asked.strategies if name not in missing]
            missing |= own.unable(names, seen.pages, first, cores) | seen.left_out
    if not journal.results.plan:
        journal.keep(plan)
        journal.update(
            unavailable=missing,
            intended=len(asked.slots(missing)),
            versions=machine.versions(plan),
            plan=machine.figures(plan),
            **more,
        )
    second = kept.enter_context(stack.prepared(cores.stack, strategies, brought))
    return first, own.logged_in(told, second, cores)


def _brought(journal: Journal, asked: Request, told: Mapping[str, str]) -> Brought | None:
    return own.brought(told, journal.directory.parent) if asked.visits else None


def _measure(
    journal: Journal,
    asked: Request,
    grounds: tuple[LabStack, LabStack],
    cores: Cores,
    console: Console,
) -> None:
    """All trials that are left, and then the limits."""
    suite, results = SUITES[asked.suite], journal.results
    slots = design.remaining(results, asked.slots(results.unavailable))
    expected = [progress.expected(slot, asked.seconds) for slot in slots]
    if due := suite.limits and not results.limits:
        expected.append(limits.expected(rounds := asked.blocks if asked.full else QUICK_ROUNDS))
    yardstick = Yardstick(
        cores.stack, results.machine.work_ms or best(cores.stack), PATIENCE * sum(expected)
    )
    bench = Bench(
        grounds,
        cores,
        yardstick,
        suite.subject,
        lambda label: suite.page(label, asked.page),
        asked.users,
        results.pages,
    )

    def ask(slot: Slot, so_far: Results) -> Load:
        capacity = course.capacity(slot, so_far)
        page = slot.page or bench.page(slot.name)
        return course.load(slot, page, asked.seconds, capacity)

    def make(slot: Slot, load: Load, see: Callable[[Event], None]) -> tuple[Trial, ...]:
        usual = 1.0 if slot.beside else summary.slowness(journal.results, slot.name)
        trials = trial.run(bench, slot, load, asked.seed + slot.block, see, usual)
        return tuple(_judged(suite, made, results) for made in trials)

    with progress.shown(console, expected) as meter:
        course.measure(journal, slots, ask, make, meter, yardstick)
        if due:
            meter.begin("limits")
            journal.update(limits=limits.measure(bench, suite.reference, asked, rounds))
            meter.end("measured")


def _judged(suite: Suite, made: Trial, results: Results) -> Trial:
    """A trial with the reasons why it is void."""
    expected = (
        own.expected(results, made.load.page)
        if results.pages
        else gates.Expected(transactions=suite.transactions(made.label, made.load.page))
    )
    reasons = gates.reasons(
        made, suite.mode(made.label), expected, prepared=suite.prepared(made.label)
    )
    return made.model_copy(update={"void": reasons})


def _text(cores: tuple[int, ...]) -> str:
    return ", ".join(map(str, cores))
