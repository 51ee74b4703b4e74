"""A project of the user's in the lab: its inputs, and what of its pages and of the strategies can
be measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from loadtest import inputs
from loadtest.lab import gates, login, probe
from loadtest.lab.model import MIX, Page, Results
from loadtest.lab.probe import Refusal
from loadtest.lab.server import LabStack
from loadtest.lab.stack import Brought
from loadtest.lab.strategies import REFERENCE, STRATEGIES
from loadtest.lab.trial import Cores
from loadtest.lab.visits import Visits
from pgstack.errors import InputError
from pgstack.planning import state

ENVIRONMENTS = "environments"
"""beside the results: the virtual environment of the project, kept for the next run"""
AGREEMENT = 0.1
"""by which the pooler's count may differ from what the trial run saw: caches run out meanwhile"""


def require_pages(environment: Mapping[str, str], visits: Visits | None) -> None:
    """Raise InputError for inputs of a project's run without pages to ask it for."""
    if visits is None:
        names = ("STACK_PROJECT", *inputs.OF_PROJECT)
        inputs.refuse_alone(environment, names, "the lab does not know which pages to ask for")
    elif environment.get("SESSION") and environment.get("LOGIN"):
        raise InputError("SESSION and LOGIN: both say who asks. Give one of them.")
    elif environment.get("DUMP") and not Path(environment["DUMP"]).is_file():
        raise InputError(
            f"DUMP={environment['DUMP']}: no such file. Make one with `pg_dump --format=custom`."
        )


def brought(environment: Mapping[str, str], root: Path) -> Brought:
    """What the stacks are made of; `root` is the directory of all runs."""
    dump = environment.get("DUMP")
    return Brought(root / ENVIRONMENTS, Path(dump).resolve() if dump else None)


def name() -> str:
    """Of the project's directory; empty for the demo."""
    directory = state.inputs().project
    return Path(directory).resolve().name if directory else ""


@dataclass(frozen=True)
class Seen:
    """The pages that are measured, and what is left out: address → reason."""

    pages: tuple[Page, ...]
    left_out: dict[str, str]


def logged_in(environment: Mapping[str, str], lab_stack: LabStack, cores: Cores) -> LabStack:
    """The stack, which is down, with the session of whom SESSION or LOGIN names."""
    if not environment.get("SESSION") and not environment.get("LOGIN"):
        return lab_stack
    return probe.logged_in(lab_stack, cores, partial(login.headers, environment))


def look(environment: Mapping[str, str], visits: Visits, lab_stack: LabStack, cores: Cores) -> Seen:
    """Ask for all pages on a stack that is down. Raises InputError for pages that the user named
    and that cannot be measured; those of a log are left out."""
    pages, refused = probe.look(lab_stack, cores, visits.pages)
    if not inputs.flag(environment, "WRITES"):
        refused += [_writing(page) for page in pages if page.writes]
        pages = [page for page in pages if not page.writes]
    if refused and (visits.chosen or not pages):
        raise InputError(f"{visits.source}: {refused[0].text}")
    return Seen(tuple(pages), {refusal.page.address: refusal.reason for refusal in refused})


def unable(
    names: Iterable[str], pages: Sequence[Page], lab_stack: LabStack, cores: Cores
) -> dict[str, str]:
    """Strategies under which the project does not serve its pages, each with the reason."""
    reasons = {
        name: probe.missing(lab_stack, cores, STRATEGIES[name], pages)
        for name in names
        if name != REFERENCE
    }
    return {name: reason for name, reason in reasons.items() if reason}


def expected(results: Results, page: str) -> gates.Expected:
    """What a request of `page`, or of the mix, does as the trial run saw it."""
    pages = [each for each in results.pages if page in (each.address, MIX)]
    weight = sum(each.weight for each in pages)
    connections = sum(each.weight * (each.connections or 0) for each in pages) / weight
    transactions = [
        each.weight * each.transactions for each in pages if each.transactions is not None
    ]
    known = len(transactions) == len(pages)
    return gates.Expected(sum(transactions) / weight if known else None, connections, AGREEMENT)


def _writing(page: Page) -> Refusal:
    return Refusal(
        page,
        "this GET writes into the database: it took transaction ids in the trial run",
        "Leave it out, or say WRITES=1: it then writes into the temporary stacks only",
    )
