"""`make loadtest AGAINST=v0.1`: this checkout beside another commit of it, in turns in one run.

Each has a stack that its own code plans, starts and stops; nothing is assumed of the other's plan.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from loadtest import inputs
from loadtest.lab import course, design, gates, machine, progress, stack, store
from loadtest.lab.checkouts import Checkout, beside, describe, exported
from loadtest.lab.design import Design, Slot
from loadtest.lab.generator import Job, drive_pair
from loadtest.lab.generator import Progress as Event
from loadtest.lab.model import HERE, TWIN, Load, Results, Trial
from loadtest.lab.paths import CHECKOUT
from loadtest.lab.processes import pinned
from loadtest.lab.request import LARGEST_SEED
from loadtest.lab.store import Journal
from loadtest.lab.suite import PATIENCE
from loadtest.lab.trial import WARM_SECONDS, Cores
from loadtest.lab.yardstick import Yardstick, best
from pgstack.errors import InputError

BLOCKS, FULL_BLOCKS, SECONDS = 5, 10, 4
START_SECONDS = 20.0
"""that both stacks of a trial take to start and to stop"""
INPUTS = ("AGAINST", "PAGE", "USERS", "BLOCKS", "SECONDS", "SEED", "FULL", "SHARED")
FOREIGN = ("SUITE", "STRATEGIES", "COMPARE", *inputs.OF_PROJECT)


@dataclass(frozen=True)
class Bench:
    """Label → the checkout that runs under it, and who gets which core."""

    checkouts: Mapping[str, Checkout]
    cores: Cores
    yardstick: Yardstick
    results: Results

    def make(self, slot: Slot, load: Load, see: Callable[[Event], None]) -> tuple[Trial, ...]:
        """Start the two of `slot`, load them in turns, and stop them."""
        ours, theirs = self.checkouts[slot.label], self.checkouts[str(slot.beside)]
        with ExitStack() as kept:
            for checkout in (ours, theirs):
                kept.enter_context(checkout.running(self.cores.stack))
            watch = kept.enter_context(self.yardstick.watching())

            def look(event: Event) -> None:
                watch.on = event.phase == "measuring"
                see(event)

            outcomes = drive_pair(self._job(ours, theirs, load, slot.block), look)
        pairs = zip((slot.label, str(slot.beside)), outcomes, strict=True)
        return tuple(
            _judged(
                Trial(
                    label=label,
                    strategy=label.removesuffix(TWIN),
                    purpose=slot.purpose,
                    block=slot.block,
                    beside=slot.label if second else slot.beside,
                    companion=bool(second),
                    slowness=watch.slowness,
                    cpu_seconds={},
                    backends=0,
                    sessions=None,
                    transactions=None,
                    logged=None,
                    **outcome.model_dump(exclude={"event"}),
                )
            )
            for second, (label, outcome) in enumerate(pairs)
        )

    def _job(self, ours: Checkout, theirs: Checkout, load: Load, block: int) -> Job:
        return Job(
            url=ours.url,
            against=theirs.url,
            loads=(load,),
            seed=self.results.seed + block,
            warm_min=WARM_SECONDS[0],
            warm_max=WARM_SECONDS[1],
            cores=self.cores.generator,
        )


def _judged(trial: Trial) -> Trial:
    return trial.model_copy(update={"void": gates.reasons(trial)})


def run(environment: Mapping[str, str], console: Console) -> int:
    """Measure, report, and return the exit status: 1 when this checkout is slower. Raises
    StackError."""
    inputs.refuse(environment, FOREIGN, "says nothing with AGAINST")
    journal = _begin(environment)
    results = journal.results
    cores, archive = machine.cores(inputs.flag(results.asked, "SHARED")), beside(results.reference)
    stack.become_account(journal.directory)
    commits = " and ".join(f"{label} ({commit})" for label, commit in results.versions.items())
    console.print(f"{commits} in turns", soft_wrap=True, highlight=False)
    whole = False
    try:
        with ExitStack() as kept:
            with console.status("setting up"):
                other = kept.enter_context(exported(archive))
                checkouts = _checkouts(kept, results.reference, other)
            with pinned(cores.generator):
                _measure(journal, checkouts, cores, console)
        whole = True
    except KeyboardInterrupt:
        pass  # once; see `interrupts`
    return course.finish(journal, console, None, whole=whole)


def _checkouts(kept: ExitStack, reference: str, other: Path) -> dict[str, Checkout]:
    """One for each label; the reference has a second stack for its twin."""
    places = {HERE: CHECKOUT, reference: other, reference + TWIN: other}
    return {label: kept.enter_context(_stack(path)) for label, path in places.items()}


@contextmanager
def _stack(checkout: Path) -> Iterator[Checkout]:
    made = Checkout.new(checkout)
    try:
        yield made
    finally:
        made.remove()


def _slots(results: Results) -> Design:
    names = (HERE, results.reference)
    return design.blocks(names, results.blocks, results.users, results.seed, results.reference)


def _begin(environment: Mapping[str, str]) -> Journal:
    """The run to make: a new one, or what is left of the last one."""
    root = course.root(environment)
    if not inputs.flag(environment, "RESUME"):
        seed = inputs.number(environment, "SEED", secrets.randbelow(LARGEST_SEED), 0, LARGEST_SEED)
        given = {name: environment[name] for name in INPUTS if environment.get(name)}
        return Journal(_planned(given | {"SEED": str(seed)}), course.new(root))
    directory = store.latest(root, "against")
    earlier = store.read(directory)
    for name in INPUTS:
        if environment.get(name):
            inputs.refuse_other(name, environment[name], earlier.asked.get(name))
    if describe(earlier.reference) != earlier.versions:
        raise InputError(
            "RESUME=1: the code has changed since that run began. Leave RESUME out for a new one."
        )
    if earlier.made >= earlier.intended:
        raise InputError(f"RESUME=1: nothing is left of {directory}. Leave RESUME out.")
    return Journal(earlier, directory)


def _planned(asked: Mapping[str, str]) -> Results:
    """A run before its first trial."""
    load, reference = inputs.load(asked), asked["AGAINST"]
    full = inputs.flag(asked, "FULL")
    results = Results(
        suite="against",
        page=load.page,
        seed=int(asked["SEED"]),
        blocks=inputs.number(asked, "BLOCKS", FULL_BLOCKS if full else BLOCKS, 1, 1000),
        users=load.users,
        seconds=inputs.number(asked, "SECONDS", SECONDS, 1, 600),
        asked=dict(asked),
        intended=0,
        started=course.now(),
        machine=machine.machine(machine.cores(inputs.flag(asked, "SHARED"))),
        versions=describe(reference),
        plan={},
        reference=reference,
        strategies={HERE: "the code as it is here", reference: "that commit"},
        unavailable={},
    )
    return results.model_copy(update={"intended": len(_slots(results))})


def _measure(
    journal: Journal, checkouts: Mapping[str, Checkout], cores: Cores, console: Console
) -> None:
    results = journal.results
    slots = design.remaining(results, _slots(results))
    expected = [progress.expected(slot, results.seconds) + START_SECONDS for slot in slots]
    work = results.machine.work_ms or best(cores.stack)
    bench = Bench(checkouts, cores, Yardstick(cores.stack, work, PATIENCE * sum(expected)), results)

    def ask(slot: Slot, so_far: Results) -> Load:
        return course.load(slot, so_far.page, so_far.seconds, None)

    with progress.shown(console, expected) as meter:
        course.measure(journal, slots, ask, bench.make, meter, bench.yardstick)
