"""Two releases of Debian in turns: what is compared, the tables, and what a wrong input says."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from loadtest.lab import store
from loadtest.lab.model import TWIN, Results, Trial
from loadtest.studies import beside, beside_table, containers
from loadtest.studies.beside import journal, pairs, slots
from loadtest.studies.beside_table import Way
from loadtest.studies.sides import Answer, Order, Side

from fixtures.lab_results import results, trial
from pgstack.errors import InputError, TargetError
from pgstack.ports import free_address

OURS = "pgbouncer-transaction"
NEW, OLD = f"{OURS}, Debian 13", f"{OURS}, Debian 12"


def measured() -> Results:
    """Three blocks in which Debian 13 has 1.1 times the rate, for 0.8 times the Python; one trial
    of the second block is void."""
    trials: list[Trial] = []
    for block in range(3):
        void = ("it was not kept",) if block == 1 else ()
        new = {"web": 0.1, "python": 0.264, "pooler": 0.02, "database": 0.0}
        trials += [
            trial(NEW, block, 110, beside=OLD, cpu_seconds=new, slowness=1.2),
            trial(OLD, block, 100, beside=NEW, companion=True, void=void, slowness=1.0),
            trial(OLD + TWIN, block, 101, beside=OLD),
            trial(OLD, block, 100, beside=OLD + TWIN, companion=True),
        ]
    made = results(suite="releases", strategies={OURS: "this stack"}, reference=OURS)
    limits = {"pgbench, Debian 13": (200.0, 220.0), "pgbench, Debian 12": (100.0, 110.0)}
    unavailable = {"pgbouncer-prepared, Debian 13": "no such thing here"}
    fields = {"trials": tuple(trials), "limits": limits, "unavailable": unavailable}
    return made.model_copy(update=fields)


def table() -> list[str]:
    compared = pairs([OURS], ["pgbouncer-prepared, Debian 13"])
    return list(beside_table.lines(measured(), compared, beside.LIMIT_PAIRS))


def test_each_strategy_takes_turns_with_itself_on_the_other_release() -> None:
    assert pairs(["no-query", OURS]) == (
        (Way("no-query", 13), Way("no-query", 12)),
        (Way(OURS, 13), Way(OURS, 12)),
        (Way("pgbouncer-prepared", 13), Way("psycopg3", 13)),
        (Way(OURS + TWIN, 12), Way(OURS, 12)),
    )


def test_what_one_release_cannot_run_takes_no_turns() -> None:
    left = pairs(["reconnect-mysql"], ["reconnect-mysql, Debian 12", "psycopg3, Debian 13"])
    assert left == ((Way(OURS + TWIN, 12), Way(OURS, 12)),)


def test_a_block_has_each_pair_once_on_the_page_of_its_strategy() -> None:
    planned = journal({"STRATEGIES": "no-query", "BLOCKS": "3"}, Path("/nowhere")).results
    assert planned.blocks == 3
    first = [slot for slot in slots(planned) if slot.block == 0]
    assert {(slot.label, slot.beside, slot.page) for slot in first} == {
        ("no-query, Debian 13", "no-query, Debian 12", "/plain"),
        (NEW, OLD, "/db"),
        ("pgbouncer-prepared, Debian 13", "psycopg3, Debian 13", "/db"),
        (OLD + TWIN, OLD, "/db"),
    }
    assert {beside.of_slot(planned, slot) for slot in first} == set(pairs(["no-query", OURS]))


def test_the_table_has_ratios_of_companions_without_void_blocks() -> None:
    rows = table()
    assert f"| {OURS}, Debian 13 ÷ 12 | 110 | 100 | 1.100 |" in rows, "two blocks are too few"
    assert f"| {OLD}, again (A/A) | 101 | 100 | 1.010 [1.010, 1.010] |" in rows
    assert "| pgbench, Debian 13 ÷ 12 | 210 | 105 | 2.000 |" in rows
    assert not [row for row in rows if "in-process" in row and "÷ 12 | –" not in row]


def test_each_kind_of_process_has_its_ratio() -> None:
    rows = table()
    python = f"| {OURS}, Debian 13 ÷ 12: Python | 240 | 300 | 0.800 |"
    assert python in rows
    assert not [row for row in rows if "13 ÷ 12: database" in row], "it used none on Debian 13"


def test_what_is_void_and_how_calm_the_machine_was_are_said() -> None:
    rows = table()
    assert "12 trials, 1 void." in rows
    doubt = "the A/A pair gives 1.010 [1.010, 1.010], which does not contain 1"
    assert f"Nothing is claimed: {doubt}." in rows
    assert f"- 1 × {OLD}: it was not kept" in rows
    assert rows[-1].endswith("1.10 times as long as at its best, 1.20 times at worst.")


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"STRATEGIES": "reconect"}, "STRATEGIES: reconect: no such strategy"),
        ({"BLOCKS": "0"}, "BLOCKS=0: not a whole number from 1 to 1000"),
        ({"FULL": "1"}, "FULL=1: says nothing for releases in turns. Leave FULL out"),
        ({"PAGES": "pages.txt"}, "PAGES=pages.txt: says nothing"),
        ({"RESUME": "1"}, "no earlier run to go on with"),
    ],
)
def test_a_wrong_input_is_refused_before_anything_starts(
    asked: dict[str, str], says: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=says):
        journal(asked, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_run_goes_on_as_it_began(tmp_path: Path) -> None:
    begun = measured().model_copy(update={"asked": {"BLOCKS": "3", "SEED": "1"}})
    store.write(begun, tmp_path / "2026-11-30T060000Z")
    assert journal({"RESUME": "1", "BLOCKS": "3"}, tmp_path).results == begun
    with pytest.raises(InputError, match="BLOCKS=5: the run that RESUME=1 goes on with has BLOC"):
        journal({"RESUME": "1", "BLOCKS": "5"}, tmp_path)
    with pytest.raises(InputError, match="no earlier run"):
        store.latest(tmp_path)


@pytest.mark.parametrize("text", ["11", "trixie", ""])
def test_a_release_that_is_not_known_is_refused(text: str) -> None:
    with pytest.raises(
        InputError, match=rf"{text}: no release of Debian that is known. Name 12 or"
    ):
        containers.of(text)


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("exit 3", "Debian 12: it has ended"),
        (
            f"echo '{Answer(error='postgres: it ended').model_dump_json()}'",
            "Debian 12: postgres: it ended",
        ),
    ],
)
def test_a_side_that_cannot_go_on_says_why(script: str, says: str) -> None:
    side = Side("Debian 12", ["sh", "-c", script])
    with pytest.raises(TargetError, match=says):
        side.ready()
    side.end()


def test_two_stacks_on_one_machine_listen_at_different_addresses() -> None:
    first, second = free_address(5432), free_address(5432)
    assert first != second
    assert first.startswith("127.")


def test_a_side_is_told_and_answers() -> None:
    answer = Answer(url="http://127.0.0.1:8000")
    script = f"read order; echo '{answer.model_dump_json()}'; read order; exit 0"
    side = Side("Debian 12", ["sh", "-c", script])
    assert side.ask(Order(do="serve", label=OURS)) == answer
    side.end()
    with pytest.raises(ValueError, match="closed"):
        side.tell(Order(do="stop"))
