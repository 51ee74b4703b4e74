"""`make loadtest HOST=…`: a ladder of users and open loops on a running stack of the user's own."""

from __future__ import annotations

import os
import platform
import secrets
from collections.abc import Callable, Mapping
from importlib import metadata

from rich.console import Console

from loadtest import inputs
from loadtest.inputs import Target
from loadtest.lab import course, design, gates, machine, progress
from loadtest.lab.design import Design, Slot
from loadtest.lab.generator import Job, drive
from loadtest.lab.generator import Progress as Event
from loadtest.lab.model import Load, Results, Trial
from loadtest.lab.request import LARGEST_SEED
from loadtest.lab.store import Journal
from loadtest.lab.trial import Cores
from pgstack.errors import InputError, ProbeError, TargetError
from pgstack.live.probes import web

MOST_USERS, SECONDS = 64, 4
"""the run takes 1 to 2 minutes by them"""
OPEN_SHARES = (0.3, 0.5, 0.7, 0.9)
"""of the best rate of the ladder, or of MAX_RATE where that is less"""
WARM_SECONDS = (1.0, 3.0)
INPUTS = ("HOST", "MAX_RATE", "PAGE", "USERS", "SECONDS")
FOREIGN = (
    *("SUITE", "STRATEGIES", "BLOCKS", "FULL", "SHARED", "RESUME", "COMPARE"),
    *inputs.OF_PROJECT,
)


def run(environment: Mapping[str, str], console: Console) -> int:
    """Load the host that HOST names, report, and return the exit status. Raises StackError."""
    target = inputs.named_target(environment)
    if target is None:
        raise InputError("HOST: no host is named. Say which, such as HOST=https://my.host.")
    inputs.refuse(environment, FOREIGN, "says nothing of a HOST")
    planned = _planned(environment, target)
    _require_page(target, planned.page)
    journal = Journal(planned, course.new(course.root(environment)))
    console.print(
        f"loading {target.url}{planned.page} with at most {target.max_rate} requests/s",
        soft_wrap=True,
    )
    whole = False
    try:
        _measure(journal, target, console)
        whole = True
    except KeyboardInterrupt:
        pass  # once; see `interrupts`
    return course.finish(journal, console, None, whole=whole)


def slots(url: str, users: int, max_rate: int, seed: int) -> Design:
    """Powers of two up to `users`, never more users than requests/s; and the open loops, carried by
    as many."""
    most = min(users, max_rate)
    steps = [2**power for power in range(most.bit_length())]
    ladder = design.ladder([url], steps, range(1), seed)
    return ladder + design.open_loops([url], OPEN_SHARES, most, range(1), seed)


def _planned(environment: Mapping[str, str], target: Target) -> Results:
    """The run before its first trial."""
    seed = inputs.number(environment, "SEED", secrets.randbelow(LARGEST_SEED), 0, LARGEST_SEED)
    users = inputs.number(environment, "USERS", MOST_USERS, 1, 1000)
    asked = {name: environment[name] for name in INPUTS if environment.get(name)} | {
        "SEED": str(seed)
    }
    assert target.max_rate
    return Results(
        suite="host",
        page=inputs.load(environment).page,
        seed=seed,
        blocks=0,
        users=users,
        seconds=inputs.number(environment, "SECONDS", SECONDS, 1, 600),
        asked=asked,
        intended=len(slots(target.url, users, target.max_rate, seed)),
        started=course.now(),
        machine=machine.machine(Cores((), tuple(sorted(os.sched_getaffinity(0))))),
        versions={"Python": platform.python_version(), "locust": metadata.version("locust")},
        plan={},
        reference=target.url,
        strategies={target.url: "the host that was named"},
        unavailable={},
    )


def _require_page(target: Target, page: str) -> None:
    try:
        web.fetch(f"{target.url}{page}", seconds=10)
    except ProbeError as error:
        raise TargetError(f"HOST: {error}. Start it, or choose another PAGE.") from None


def _measure(journal: Journal, target: Target, console: Console) -> None:
    planned, rate = journal.results, target.max_rate
    assert rate

    def ask(slot: Slot, so_far: Results) -> Load:
        return course.load(
            slot, planned.page, planned.seconds, min(rate, course.capacity(slot, so_far) or rate)
        )

    def make(slot: Slot, load: Load, see: Callable[[Event], None]) -> tuple[Trial]:
        job = Job(
            url=target.url,
            loads=(load,),
            warm_min=WARM_SECONDS[0],
            warm_max=WARM_SECONDS[1],
            named=True,
            max_rate=rate,
            seed=planned.seed + slot.block,
        )
        outcome = drive(job, see).model_dump(exclude={"event"})
        trial = Trial(
            label=slot.label,
            strategy=slot.name,
            purpose=slot.purpose,
            block=slot.block,
            cpu_seconds={},
            backends=0,
            sessions=None,
            transactions=None,
            logged=None,
            **outcome,
        )
        return (trial.model_copy(update={"void": gates.reasons(trial)}),)

    made = slots(target.url, planned.users, rate, planned.seed)
    with progress.shown(console, [planned.seconds + progress.BESIDES] * len(made)) as meter:
        course.measure(journal, made, ask, make, meter)
