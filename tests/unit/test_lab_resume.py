"""Going on with a run: which one, and what may be said again."""

from __future__ import annotations

from pathlib import Path

import pytest
from loadtest.lab import store
from loadtest.lab.request import given, request, resumed

from fixtures.lab_results import results, trial
from pgstack.errors import InputError

ASKED = {"STRATEGIES": "reconnect,pgpool", "BLOCKS": "5", "SECONDS": "2", "SEED": "7"}
EARLIER = results([trial("pgpool")], asked=ASKED, seed=7)


def test_a_run_goes_on_as_it_was_asked_for() -> None:
    again = resumed({"RESUME": "1", "PATH": "/bin"}, EARLIER)
    assert again == request(ASKED, seed=0)
    assert (again.blocks, again.seconds, again.seed) == (5, 2, 7)
    assert again.strategies == ("reconnect-tcp", "pgpool", "pgbouncer-transaction")


def test_what_is_said_again_may_be_said_in_other_words() -> None:
    same = {
        "STRATEGIES": "pgpool, reconnect-tcp,pgbouncer",
        "BLOCKS": "5",
        "PAGE": "/db",
        "SUITE": "strategies",
    }
    assert resumed(same, EARLIER) == resumed({}, EARLIER)


@pytest.mark.parametrize(
    ("name", "value", "had"),
    [
        ("BLOCKS", "3", "BLOCKS=5"),
        ("SEED", "8", "SEED=7"),
        ("PAGE", "/json", "PAGE=/db"),
        ("FULL", "1", "FULL=0"),
        ("USERS", "64", "USERS=16"),
        ("SUITE", "scaling", "SUITE=strategies"),
        ("SHARED", "1", "SHARED=0"),
        ("STRATEGIES", "pgpool", "STRATEGIES=reconnect-tcp,pgpool,pgbouncer-transaction"),
    ],
)
def test_another_run_is_refused_by_name(name: str, value: str, had: str) -> None:
    with pytest.raises(InputError) as caught:
        resumed({name: value}, EARLIER)
    said = (
        f"{name}={value}: the run that RESUME=1 goes on with has {had}. Leave {name} out, or "
        f"RESUME for a new run."
    )
    assert str(caught.value) == said


def test_what_was_given_is_kept_with_the_seed_and_nothing_else() -> None:
    environment = {"BLOCKS": "2", "PAGE": "", "RESUME": "1", "HOME": "/root", "COMPARE": "old.json"}
    assert given(environment, seed=9) == {"BLOCKS": "2", "SEED": "9"}


def test_the_last_run_is_gone_on_with_but_not_that_of_a_host(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^RESUME=1: no earlier run"):
        store.latest(tmp_path)
    for name, suite in (
        ("2026-01-01", "strategies"),
        ("2026-01-02", "servers"),
        ("2026-01-03", "host"),
    ):
        store.write(results(suite=suite), tmp_path / name)
    assert store.latest(tmp_path) == tmp_path / "2026-01-02"
