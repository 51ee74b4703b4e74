"""A standby whose disk gave back a wrong page is kept from leading, once."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest
from test_cluster_plan import planned

from stackctl import patroni, postgres, switchover, unfit
from stackctl.safe import StackctlError
from stackctl.stack import Stack

STACK = cast("Stack", planned("db2"))
LEADER = {"name": "db1", "role": "leader", "state": "running"}
GOOD = {"name": "db3", "role": "replica", "state": "streaming"}
SPOILT = {"name": "db2", "role": "sync_standby", "state": "streaming", "tags": {"nofailover": True}}


@pytest.fixture
def reloads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """How Patroni was told; its files are not written."""
    told: list[str] = []
    monkeypatch.setattr(patroni, "UNFIT", tmp_path / "unfit")
    monkeypatch.setattr(patroni, "fill", lambda _: "reload")
    monkeypatch.setattr(patroni, "bring", lambda _, verb: told.append(verb))
    return told


@pytest.mark.parametrize(
    ("role", "pages", "marked"),
    [
        ("standby", "0", False),
        ("standby", "2", True),
        ("leader", "2", False),
        ("copied", "2", False),
        ("", "2", False),
    ],
)
def test_only_a_standby_that_read_a_wrong_page_is_marked(
    monkeypatch: pytest.MonkeyPatch, reloads: list[str], role: str, pages: str, marked: bool
) -> None:
    monkeypatch.setattr(patroni, "role", lambda _: role)
    monkeypatch.setattr(postgres, "ask", lambda *_: pages)
    said = unfit.note(STACK)
    assert (said != "", patroni.UNFIT.exists(), reloads) == (marked, marked, ["reload"] * marked)
    assert unfit.note(STACK) == "", "once"


def test_other_data_make_it_fit_again(reloads: list[str]) -> None:
    patroni.UNFIT.touch()
    assert unfit.forget(STACK) == "reload"
    assert not patroni.UNFIT.exists()


def test_a_host_that_is_no_member_is_asked_nothing(reloads: list[str]) -> None:
    assert unfit.note(cast("Stack", planned("web1"))) == ""
    assert reloads == []


def test_patroni_is_told_that_it_may_not_lead(
    monkeypatch: pytest.MonkeyPatch, reloads: list[str]
) -> None:
    roles = [patroni.part(STACK).replication_role, patroni.part(STACK).rewind_role]
    monkeypatch.setattr(patroni.passwords, "known", lambda _: dict.fromkeys(roles, "secret"))
    monkeypatch.setattr(patroni.passwords, "kept", lambda _: "secret")
    monkeypatch.setattr(patroni.epoch, "current", lambda _: None)
    assert "tags" not in patroni._secrets(STACK)
    patroni.UNFIT.touch()
    assert patroni._secrets(STACK)["tags"] == {"nofailover": True}
    upgraded = patroni.epoch.Epoch(1, 17, "73", "0/3000028", 0.0)
    monkeypatch.setattr(patroni.epoch, "current", lambda _: upgraded)
    assert patroni._secrets(STACK)["tags"] == {"nofailover": True, "epoch": 1}


def test_a_switchover_takes_another_one() -> None:
    assert switchover._candidate([LEADER, GOOD, SPOILT], "db1", "") == "db3"
    with pytest.raises(
        StackctlError, match=r"--to db2: no standby that is up to date and may lead"
    ):
        switchover._candidate([LEADER, GOOD, SPOILT], "db1", "db2")
