"""Which trials a run makes, in which order: randomised complete blocks, and shuffled curves."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from loadtest.lab.model import REFERENCE, TWIN, Results
from pgstack.errors import InputError


@dataclass(frozen=True)
class Slot:
    """One trial to make. `share` is the rate of an open loop as a share of the label's own
    capacity."""

    purpose: Literal["block", "ladder", "open"]
    block: int
    label: str
    users: int
    share: float | None = None
    beside: str | None = None
    """the reference that takes turns with it; None: nothing does"""
    page: str | None = None
    """that both are asked for instead of the run's"""

    @property
    def shown(self) -> str:
        """What a line of progress says."""
        return f"{self.label} {self.page}" if self.page else self.label

    @property
    def name(self) -> str:
        """The label without the mark of a twin: what to start."""
        return self.label.removesuffix(TWIN)


T = TypeVar("T")
Design = tuple[Slot, ...]


def blocks(
    names: Sequence[str], count: int, users: int, seed: int, reference: str = REFERENCE
) -> Design:
    """Randomised complete blocks: in each every name once and the reference's twin, in an order of
    its own.

    Each takes turns with the reference, which so is measured in every trial, beside its twin as
    well. Whatever drifts during a run (heat, caches, neighbours) hits both alike. The order of a
    block depends on the seed and the block's number only, so that more blocks can be added to a
    run. Raises InputError when one is named twice, or the reference is missing.
    """
    if len(set(names)) < len(names):
        raise InputError(f"{', '.join(names)}: one is named twice. Name each once.")
    if reference not in names:
        raise InputError(f"{', '.join(names)}: {reference} is missing; the others compare with it.")
    labels = (*(name for name in names if name != reference), reference + TWIN)
    return tuple(
        Slot("block", block, label, users, beside=reference)
        for block in range(count)
        for label in _shuffled(labels, seed, block)
    )


def alone(
    pages: Sequence[str],
    names: Sequence[str],
    count: int,
    users: int,
    seed: int,
    reference: str = REFERENCE,
) -> Design:
    """Blocks in which each of `names` takes turns with the reference on each page by itself."""
    points = [(page, name) for page in pages for name in names]
    return tuple(
        Slot("block", block, name, users, beside=reference, page=page)
        for block in range(count)
        for page, name in _shuffled(points, seed, block)
    )


def pairs(points: Sequence[tuple[str, str, str]], count: int, users: int, seed: int) -> Design:
    """Blocks in which the first of each point takes turns with the second, on the third, a page."""
    return tuple(
        Slot("block", block, label, users, beside=beside, page=page)
        for block in range(count)
        for label, beside, page in _shuffled(points, seed, block)
    )


def ladder(
    names: Sequence[str],
    steps: Sequence[int],
    rounds: Iterable[int],
    seed: int,
    beside: str | None = None,
) -> Design:
    """Closed loops with each of `steps` users for each name, in rounds of these numbers, shuffled
    within a round."""
    points = [(label, users) for label in names for users in steps]
    return tuple(
        Slot("ladder", number, label, users, beside=beside)
        for number in rounds
        for label, users in _shuffled(points, seed, number)
    )


def open_loops(
    names: Sequence[str], shares: Sequence[float], users: int, rounds: Iterable[int], seed: int
) -> Design:
    """Open loops at each of `shares` of a name's own capacity, in rounds of these numbers, shuffled
    within a round.

    Their blocks are numbered through the rounds: each has arrivals of its own.
    """
    points = [(label, step) for label in names for step in range(len(shares))]
    return tuple(
        Slot("open", number * len(shares) + step, label, users, shares[step])
        for number in rounds
        for label, step in _shuffled(points, seed, number)
    )


def remaining(results: Results, design: Design) -> Design:
    """The slots without a trial, in the order of the design.

    A void trial counts as made: to repeat until it pleases would choose the outcome.
    """
    own = {slot.page for slot in design}
    made = {
        (t.purpose, t.block, t.label, t.load.users, t.load.page if t.load.page in own else None)
        for t in results.trials
        if not t.companion
    }
    return tuple(
        slot
        for slot in design
        if (slot.purpose, slot.block, slot.label, slot.users, slot.page) not in made
    )


def _shuffled(items: Iterable[T], seed: int, block: int) -> list[T]:
    order = list(items)
    random.Random(f"{seed}/{block}").shuffle(order)
    return order
