"""Two releases of Debian in turns: the same ways to ask, of a stack in a container of each."""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from loadtest import inputs
from loadtest.lab import course, design, gates, interrupts, machine, progress, store
from loadtest.lab.design import Design, Slot
from loadtest.lab.generator import Job, drive_pair
from loadtest.lab.generator import Progress as Event
from loadtest.lab.model import IN_PROCESS, PGBENCH, REFERENCE, TWIN, Load, Results, Trial
from loadtest.lab.processes import pinned
from loadtest.lab.request import LARGEST_SEED, request
from loadtest.lab.store import Journal
from loadtest.lab.suite import PATIENCE
from loadtest.lab.trial import WARM_SECONDS, WARM_TIMES, Cores
from loadtest.lab.yardstick import Yardstick, best
from loadtest.studies import beside_table
from loadtest.studies.beside_table import Pair, Way
from loadtest.studies.containers import PROJECT, Container
from loadtest.studies.sides import Order, Serving, Side, suite_of
from pgstack.ops import rendered
from pgstack.planning.packages import NEWEST, RELEASES
from pgstack.rendering.file import File

OLDEST = min(RELEASES)
INPUTS = ("STRATEGIES", "PAGE", "USERS", "BLOCKS", "SECONDS", "SEED")
FOREIGN = ("SUITE", "FULL", "SHARED", "COMPARE", "AGAINST", "HOST", *inputs.OF_PROJECT)
DEFAULTS = {
    "STRATEGIES": "reconnect-tcp,patched-signal,no-query,psycopg-pool",
    "BLOCKS": "10",
    "SECONDS": "4",
}
"""beside the reference, which always takes part"""
PREPARED, UNPREPARED = "pgbouncer-prepared", "psycopg3"
"""on the newest release, beside each other: what prepared statements bring"""
LIMITS = (IN_PROCESS, PGBENCH)
ROUND_SECONDS = 18.0
"""that a round of the limits takes"""
TABLE = "table.md"
SERVED = (".venv/bin/python", f"{PROJECT}/loadtest/studies/served.py")
Sides = Mapping[tuple[int, int], Side]
"""two of each release, so that it can take turns with itself"""


@dataclass(frozen=True)
class Bench:
    """Where trials are made."""

    sides: Sides
    cores: Cores
    yardstick: Yardstick
    results: Results

    def make(self, slot: Slot, load: Load, see: Callable[[Event], None]) -> tuple[Trial, ...]:
        """Start the two of `slot`, load them in turns, and stop them."""
        ways = of_slot(self.results, slot)
        with ExitStack() as kept:
            running = [
                kept.enter_context(side.serving(way.strategy))
                for side, way in zip(self._sides(slot, ways), ways, strict=True)
            ]
            watch = kept.enter_context(self.yardstick.watching())

            def look(event: Event) -> None:
                watch.on = event.phase == "measuring"
                for serving in running:
                    serving.look(event)
                see(event)

            outcomes = drive_pair(self._job(running, load, slot.block), look)
            seen = [serving.stop() for serving in running]
        return tuple(
            _judged(
                way,
                Trial(
                    label=way.shown,
                    strategy=way.strategy,
                    purpose=slot.purpose,
                    block=slot.block,
                    beside=ways[1 - place].shown,
                    companion=bool(place),
                    slowness=watch.slowness,
                    **seen[place],
                    **outcomes[place].model_dump(exclude={"event"}),
                ),
            )
            for place, way in enumerate(ways)
        )

    def _sides(self, slot: Slot, ways: Pair) -> tuple[Side, Side]:
        """Which of a release's two stacks is whose is drawn."""
        place = random.Random(f"{self.results.seed}/{slot.block}/{slot.label}").randrange(2)
        first, second = ways
        return self.sides[first.debian, place], self.sides[second.debian, 1 - place]

    def _job(self, running: Sequence[Serving], load: Load, block: int) -> Job:
        return Job(
            url=running[0].url,
            against=running[1].url,
            loads=(load,),
            seed=self.results.seed + block,
            warm_min=WARM_SECONDS[0],
            warm_max=max(WARM_SECONDS[0], min(WARM_SECONDS[1], WARM_TIMES * load.seconds)),
            cores=self.cores.generator,
        )


def _judged(way: Way, trial: Trial) -> Trial:
    suite = suite_of(way.strategy)
    expected = gates.Expected(transactions=suite.transactions(way.strategy, trial.load.page))
    mode, prepared = suite.mode(way.strategy), suite.prepared(way.strategy)
    return trial.model_copy(
        update={"void": gates.reasons(trial, mode, expected, prepared=prepared)}
    )


def pairs(strategies: Iterable[str], unavailable: Collection[str] = ()) -> tuple[Pair, ...]:
    """What takes turns: each strategy on the newest release and on the oldest, prepared statements
    and none, and the reference with itself (A/A)."""
    wanted = [(Way(name, NEWEST), Way(name, OLDEST)) for name in strategies]
    wanted.append((Way(PREPARED, NEWEST), Way(UNPREPARED, NEWEST)))
    wanted.append((Way(REFERENCE + TWIN, OLDEST), Way(REFERENCE, OLDEST)))
    return tuple(pair for pair in wanted if not any(way.shown in unavailable for way in pair))


LIMIT_PAIRS = tuple((Way(name, NEWEST), Way(name, OLDEST)) for name in LIMITS)


def of_slot(results: Results, slot: Slot) -> Pair:
    """The two that a slot names."""
    named = {(first.shown, second.shown): (first, second) for first, second in _pairs(results)}
    return named[slot.label, str(slot.beside)]


def _pairs(results: Results) -> tuple[Pair, ...]:
    return pairs(results.strategies, results.unavailable)


def slots(results: Results) -> Design:
    """All trials of a run."""
    points = [
        (
            first.shown,
            second.shown,
            suite_of(second.strategy).page(second.strategy, results.page),
        )
        for first, second in _pairs(results)
    ]
    return design.pairs(points, results.blocks, results.users, results.seed)


def journal(environment: Mapping[str, str], root: Path) -> Journal:
    """Of the run that `environment` asks for: a new one, or the last one. Raises InputError naming
    the variable."""
    inputs.refuse(environment, FOREIGN, "says nothing for releases in turns")
    if not inputs.flag(environment, "RESUME"):
        named = {name: environment[name] for name in INPUTS if environment.get(name)}
        return Journal(_planned(DEFAULTS | named), course.new(root))
    directory = store.latest(root, "releases")
    earlier = store.read(directory)
    for name in INPUTS:
        if environment.get(name):
            inputs.refuse_other(name, environment[name], earlier.asked.get(name))
    return Journal(earlier, directory)


def _planned(named: Mapping[str, str]) -> Results:
    """A run before its first trial."""
    asked = request(named, secrets.randbelow(LARGEST_SEED))
    return Results(
        suite="releases",
        page=asked.page,
        seed=asked.seed,
        blocks=asked.blocks,
        users=asked.users,
        seconds=asked.seconds,
        asked={**named, "SEED": str(asked.seed)},
        intended=0,
        started=course.now(),
        machine=machine.machine(machine.cores(shared=False)),
        versions={},
        plan={},
        unavailable={},
        strategies={name: suite_of(name).labels[name] for name in asked.strategies},
    )


def run(kept: Journal, console: Console) -> int:
    """Measure what is left in the containers, which run; print and keep the tables. The exit
    status. Raises TargetError."""
    cores, whole = machine.cores(shared=False), False
    try:
        with pinned(cores.generator), _sides() as sides:
            _note(kept, sides)
            _measure(kept, sides, cores, console)
        whole = True
    except KeyboardInterrupt:
        pass  # once; see `interrupts`
    if not kept.results.trials:
        console.print("interrupted before the first trial was made")
        return interrupts.STATUS
    lines = beside_table.lines(kept.results, _pairs(kept.results), LIMIT_PAIRS)
    table = "\n".join(lines) + "\n"
    rendered.write([File(kept.directory / TABLE, table)])
    console.print(table, markup=False, highlight=False, soft_wrap=True)
    console.print(f"results: {kept.directory}", soft_wrap=True, highlight=False)
    return 0 if whole else interrupts.STATUS


@contextmanager
def _sides() -> Iterator[Sides]:
    """Each with a stack; one after the other, for each looks for a free port."""
    labels = (*suite_of(REFERENCE).labels, UNPREPARED)
    sides: dict[tuple[int, int], Side] = {}
    try:
        for debian in (OLDEST, NEWEST):
            for place in range(2):
                sides[debian, place] = Side(
                    f"Debian {debian}", Container(debian).command(*SERVED, *labels)
                )
                sides[debian, place].ready()
        yield sides
    finally:
        for side in sides.values():
            side.end()


def _note(kept: Journal, sides: Sides) -> None:
    """What differs between the releases, and what one of them cannot run."""
    seen = {debian: sides[debian, 0].seen for debian in (OLDEST, NEWEST)}

    def named(field: str) -> dict[str, str]:
        return {
            f"{name}, Debian {debian}": value
            for debian, answer in seen.items()
            for name, value in getattr(answer, field).items()
        }

    kept.update(versions=named("versions"), plan=named("plan"), unavailable=named("missing"))
    kept.update(intended=len(slots(kept.results)))


def _measure(kept: Journal, sides: Sides, cores: Cores, console: Console) -> None:
    results = kept.results
    left = design.remaining(results, slots(results))
    rounds = results.blocks - min(
        (len(results.limits.get(way.shown, ())) for pair in LIMIT_PAIRS for way in pair), default=0
    )
    expected = [progress.expected(slot, results.seconds) for slot in left]
    expected += [ROUND_SECONDS] * rounds
    work = results.machine.work_ms or best(cores.stack)
    bench = Bench(sides, cores, Yardstick(cores.stack, work, PATIENCE * sum(expected)), results)

    def ask(slot: Slot, so_far: Results) -> Load:
        return course.load(slot, str(slot.page), so_far.seconds, None)

    with progress.shown(console, expected) as meter:
        course.measure(kept, left, ask, bench.make, meter, bench.yardstick)
        for number in range(results.blocks - rounds, results.blocks):
            meter.begin("limits")
            _limits(kept, sides, number)
            meter.end(f"round {number + 1}")


def _limits(kept: Journal, sides: Sides, number: int) -> None:
    """One round of the other ways to ask, in another order than the last."""
    results = kept.results
    made = dict(results.limits)
    ways = [way for pair in LIMIT_PAIRS for way in pair]
    for way in ways[:: -1 if number % 2 else 1]:
        order = Order(
            do="limit", label=REFERENCE, limit=way.name, page=results.page, users=results.users
        )
        rate = sides[way.debian, number % 2].ask(order).rate
        made[way.shown] = (*made.get(way.shown, ()), rate)
    kept.update(limits=made)
