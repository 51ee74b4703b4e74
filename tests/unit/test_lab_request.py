"""What the lab is told by the environment."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from loadtest.lab.request import request

from pgstack.errors import InputError


def test_a_quick_run_compares_the_main_strategies_in_three_blocks() -> None:
    asked = request({}, seed=7)
    assert asked.strategies == (
        "reconnect-tcp",
        "reconnect-socket",
        "patched-signal",
        "psycopg-pool",
        "pgbouncer-transaction",
    )
    assert (asked.page, asked.users, asked.blocks, asked.seconds, asked.seed) == (
        "/db",
        16,
        3,
        3,
        7,
    )
    assert not asked.full


def test_a_full_run_compares_all_in_ten_blocks() -> None:
    asked = request({"FULL": "1"}, seed=7)
    assert len(asked.strategies) == 17
    assert (asked.blocks, asked.seconds) == (10, 8)


def test_strategies_come_in_the_order_of_the_report_and_the_reference_is_among_them() -> None:
    asked = request({"STRATEGIES": "persistent, reconnect-tcp"}, seed=1)
    assert asked.strategies == ("reconnect-tcp", "persistent", "pgbouncer-transaction")


def test_short_names_stand_for_the_variant_most_people_mean() -> None:
    asked = request({"STRATEGIES": "reconnect,persistent,pgbouncer"}, seed=1)
    assert asked.strategies == ("reconnect-tcp", "persistent", "pgbouncer-transaction")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "STRATEGIES",
            "pgbuncer",
            "STRATEGIES: pgbuncer: no such strategy. There are all, reconnect-tcp, ",
        ),
        (
            "STRATEGIES",
            "pgbouncer,pgbouncer-transaction",
            "STRATEGIES: pgbouncer: named twice. Name each once.",
        ),
        ("BLOCKS", "0", "BLOCKS=0: not a whole number from 1 to 1000. The default is BLOCKS=3."),
        ("FULL", "maybe", "FULL=maybe: neither 1 nor 0. Leave it out for 0."),
    ],
)
def test_a_bad_value_is_refused_by_name(name: str, value: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        request({name: value}, seed=1)
    assert str(caught.value).startswith(message)
