"""What the lab reads from the environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from loadtest import inputs
from loadtest.lab import design, visits
from loadtest.lab.costs import DIRECT, OUT_OF_THE_BOX
from loadtest.lab.design import Design
from loadtest.lab.model import REFERENCE, Results
from loadtest.lab.suites import SUITES, Suite
from loadtest.lab.visits import Visits
from pgstack.errors import InputError

LARGEST_SEED = 999_999_999
QUICK_BLOCKS, FULL_BLOCKS = 3, 10
QUICK_ROUNDS, FULL_ROUNDS = 1, 3
"""of a suite without blocks: how often each point of a curve over users is measured"""
QUICK_SECONDS, FULL_SECONDS = 3, 8
"""that each label is measured in a trial; in the blocks the reference beside it as long again"""
SHORT = {"reconnect": "reconnect-tcp", "pgbouncer": REFERENCE}
"""names for those who do not want to choose between variants"""
INPUTS = (
    *("SUITE", "STRATEGIES", "PAGE", "USERS", "BLOCKS", "SECONDS", "SEED", "FULL", "SHARED"),
    *("PAGES", "LOG", "DUMP", "LOGIN", "WRITES"),
)
"""what decides over a run, but for SESSION, which is nobody's business later"""
OF_PROJECT = tuple(name for name in inputs.OF_PROJECT if name in INPUTS)
"""those of them that are no fields of Request"""
ALONE, ALONE_FULL = 5, visits.MOST
"""pages, the heaviest first, that are measured by themselves as well"""


@dataclass(frozen=True)
class Request:
    """One run of the lab. `strategies` are labels of the suite; `full` adds the ladder and the open
    loops."""

    suite: str
    strategies: tuple[str, ...]
    page: str
    users: int
    blocks: int
    seconds: int
    seed: int
    full: bool
    shared: bool
    visits: Visits | None = None
    """of a project's pages"""
    named: bool = False
    """whether the strategies were named one by one"""

    def slots(self, unavailable: Mapping[str, str]) -> Design:
        """All trials, without those of `unavailable` labels."""
        names = tuple(name for name in self.strategies if name not in unavailable)
        made = SUITES[self.suite].slots(names, self.users, self.blocks, self.seed, self.full)
        return made + self._alone(names, unavailable) if self.visits else made

    def _alone(self, names: tuple[str, ...], unavailable: Mapping[str, str]) -> Design:
        """Each page by itself, against reconnecting; in a full run, and where it was named, against
        a persistent connection as well."""
        most = ALONE_FULL if self.full else ALONE
        pages = [p.address for p in self.visits.pages if p.address not in unavailable][:most]  # type: ignore[union-attr]
        chosen = [name for name in (OUT_OF_THE_BOX, DIRECT) if name in names]
        each = chosen if self.full or self.named else chosen[:1]
        return design.alone(pages, each, self.blocks, self.users, self.seed)


def request(environment: Mapping[str, str], seed: int) -> Request:
    """The run that `environment` asks for; `seed` where it names none. Raises InputError naming the
    variable."""
    chosen = visits.asked(environment)
    suite = SUITES["project"] if chosen else _suite(environment)
    inputs.refuse(environment, suite.fixed, f"says nothing in SUITE={suite.name}")
    full = inputs.flag(environment, "FULL")
    load = inputs.load(environment)
    quick, many = (QUICK_BLOCKS, FULL_BLOCKS) if suite.blocks else (QUICK_ROUNDS, FULL_ROUNDS)
    return Request(
        suite.name,
        _names(environment, suite, full),
        suite.page(suite.reference, load.page),
        load.users,
        inputs.number(environment, "BLOCKS", many if full else quick, 1, 1000),
        inputs.number(environment, "SECONDS", FULL_SECONDS if full else QUICK_SECONDS, 1, 600),
        inputs.number(environment, "SEED", seed, 0, LARGEST_SEED),
        full,
        inputs.flag(environment, "SHARED"),
        chosen,
        bool(environment.get("STRATEGIES")),
    )


def given(environment: Mapping[str, str], seed: int) -> dict[str, str]:
    """The inputs that make the same run again."""
    return {name: environment[name] for name in INPUTS if environment.get(name)} | {
        "SEED": str(seed)
    }


def resumed(environment: Mapping[str, str], earlier: Results) -> Request:
    """The run that `earlier` is the beginning of. Raises InputError naming the variable that says
    something else."""
    named = {name: environment[name] for name in INPUTS if environment.get(name)}
    before, now = (request(earlier.asked | more, earlier.seed) for more in ({}, named))
    if before.visits and earlier.pages and before.visits.addresses != earlier.addresses:
        raise InputError(
            f"{before.visits.source}: it names other pages than the run that RESUME=1 goes on with."
            " Leave RESUME out for a new one."
        )
    inputs.refuse(environment, SUITES[before.suite].fixed, f"says nothing in SUITE={before.suite}")
    for name, value in named.items():
        if name in OF_PROJECT:
            inputs.refuse_other(name, value, earlier.asked.get(name))
            continue
        had = getattr(before, name.lower())
        if getattr(now, name.lower()) != had:
            shown = (
                ",".join(had)
                if isinstance(had, tuple)
                else f"{had:d}"
                if isinstance(had, int)
                else had
            )
            raise InputError(
                f"{name}={value}: the run that RESUME=1 goes on with has {name}={shown}."
                f" Leave {name} out, or RESUME for a new run."
            )
    return before


def _suite(environment: Mapping[str, str]) -> Suite:
    name = environment.get("SUITE") or "strategies"
    if name not in SUITES:
        raise InputError(
            f"SUITE={name}: no such suite. There are {', '.join(SUITES)}, and running for the "
            f"stack here."
        )
    return SUITES[name]


def _names(environment: Mapping[str, str], suite: Suite, full: bool) -> tuple[str, ...]:
    """The labels in the order of the report; the reference is always among them."""
    asked = [name.strip() for name in environment.get("STRATEGIES", "").split(",") if name.strip()]
    if asked == ["all"]:
        return tuple(suite.labels)
    names = [SHORT.get(name, name) for name in asked]
    for name, short in zip(names, asked, strict=True):
        if name not in suite.labels:
            raise InputError(
                f"STRATEGIES: {short}: no such strategy. There are all, {', '.join(suite.labels)}."
            )
        if names.count(name) > 1:
            raise InputError(f"STRATEGIES: {short}: named twice. Name each once.")
    chosen = names or (suite.full if full else suite.quick)
    return tuple(name for name in suite.labels if name in chosen or name == suite.reference)
