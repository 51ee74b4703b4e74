"""Which trials a run makes, and which are left of an interrupted one."""

from __future__ import annotations

import pytest
from loadtest.lab import design
from loadtest.lab.design import Slot
from loadtest.lab.model import TWIN

from fixtures.lab_results import results, trial
from pgstack.errors import InputError

NAMES = ("reconnect-tcp", "patched-signal", "pgbouncer-transaction")


def test_each_block_has_every_strategy_once_and_the_twin_all_beside_the_reference() -> None:
    made = design.blocks(NAMES, 4, users=16, seed=7)
    assert len(made) == 12
    for block in range(4):
        assert sorted(slot.label for slot in made if slot.block == block) == [
            "patched-signal",
            "pgbouncer-transaction (A/A)",
            "reconnect-tcp",
        ]
    assert {slot.beside for slot in made} == {"pgbouncer-transaction"}


def test_the_order_of_a_block_is_its_own_and_the_seeds() -> None:
    def orders(seed: int, count: int = 6) -> list[tuple[str, ...]]:
        made = design.blocks(NAMES, count, users=16, seed=seed)
        return [tuple(slot.label for slot in made if slot.block == block) for block in range(count)]

    assert orders(7) == orders(7)
    assert orders(7) != orders(8)
    assert len(set(orders(7))) > 1
    assert orders(7, count=2) == orders(7)[:2]


def test_the_twin_starts_the_same_strategy() -> None:
    assert Slot("block", 0, "pgbouncer-transaction" + TWIN, 16).name == "pgbouncer-transaction"
    assert Slot("block", 0, "pgpool", 16).name == "pgpool"


def test_blocks_refuse_a_name_given_twice_and_a_missing_reference() -> None:
    with pytest.raises(InputError, match=r"^pgpool, pgpool: one is named twice"):
        design.blocks(["pgpool", "pgpool"], 3, 16, 1)
    with pytest.raises(InputError, match="pgbouncer-transaction is missing"):
        design.blocks(["pgpool"], 3, 16, 1)
    assert len(design.blocks(["nginx", "granian"], 1, 16, 1, reference="granian")) == 2


def test_a_ladder_makes_every_step_of_every_strategy_in_each_round() -> None:
    made = design.ladder(["a", "b"], (1, 2, 4), rounds=range(2), seed=1)
    assert len(made) == 12
    for number in (0, 1):
        steps = sorted((slot.label, slot.users) for slot in made if slot.block == number)
        assert steps == [("a", 1), ("a", 2), ("a", 4), ("b", 1), ("b", 2), ("b", 4)]
    assert [slot.label for slot in made] != ["a"] * 3 + ["b"] * 3 + ["a"] * 3 + ["b"] * 3


def test_open_loops_are_at_shares_of_capacity() -> None:
    made = design.open_loops(["a"], (0.3, 0.7), users=64, rounds=range(1), seed=1)
    assert sorted((slot.block, slot.share, slot.users) for slot in made) == [
        (0, 0.3, 64),
        (1, 0.7, 64),
    ]
    again = design.open_loops(["a"], (0.3, 0.7), users=64, rounds=range(1, 3), seed=1)
    assert sorted((slot.block, slot.share) for slot in again) == [
        (2, 0.3),
        (3, 0.7),
        (4, 0.3),
        (5, 0.7),
    ]


def test_what_remains_is_what_has_no_trial_void_or_not() -> None:
    made = (
        Slot("block", 0, "a", 16),
        Slot("block", 0, "b", 16),
        Slot("block", 1, "a", 16),
        Slot("ladder", 0, "a", 1),
        Slot("ladder", 0, "a", 2),
    )
    run = results(
        [
            trial("a", 0),
            trial("b", 0, void=("3 failed",)),
            trial("a", 0, purpose="ladder", users=2),
        ]
    )
    assert design.remaining(run, made) == (Slot("block", 1, "a", 16), Slot("ladder", 0, "a", 1))
    assert design.remaining(results(), made) == made
    assert run.made == 3


def test_the_reference_beside_a_trial_is_not_what_a_slot_asked_for() -> None:
    beside = trial("pgbouncer-transaction", 0, beside="pgpool", companion=True)
    run = results([trial("pgpool", 0, beside="pgbouncer-transaction"), beside])
    assert run.made == 1
    alone = Slot("ladder", 0, "pgbouncer-transaction", 16)
    assert design.remaining(run, (Slot("block", 0, "pgpool", 16), alone)) == (alone,)
