"""What root writes down for the exporter of a host, and what that tells of it."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from fixtures.host_plan import host_plan, member_plan
from pgstack.live.probes import members
from pgstack.metrics import facts as told
from stackctl import (
    backup,
    facts,
    files,
    membership,
    patroni,
    postgres,
    rehearsed,
    safe,
    status,
    system,
)
from stackctl.backup import Kept
from stackctl.line import Line
from stackctl.safe import StackctlError
from stackctl.stack import Stack

DAY = 86400


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """A host whose facts are written here."""

    def write(path: Path, content: bytes, *_: object) -> None:
        path.write_bytes(content)

    monkeypatch.setattr(safe, "write", write)
    monkeypatch.setattr(safe, "make_directory", lambda *_, **__: None)
    return host_plan(metrics={"facts": str(tmp_path)}, paths={"root": str(tmp_path)})


def values(stack: Stack) -> dict[str, float]:
    return {sample.metric.name: sample.value for sample in told.collect(stack)}  # type: ignore[misc]


def know(monkeypatch: pytest.MonkeyPatch, result: str, *ended: int) -> None:
    kept = [Kept(f"{each}F", "full", each, 1, "00000002") for each in ended]
    monkeypatch.setattr(backup, "restorable_backups", lambda _: kept)
    monkeypatch.setattr(rehearsed, "read", lambda _: {"result": result, "ended": 300})


def test_ages_of_backup_and_drill_are_told(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    assert values(stack) == {}
    know(monkeypatch, "passed", 100, 200)
    facts.find_out(stack)
    assert values(stack) == {
        "pgstack_backup_timestamp_seconds": 200,
        "pgstack_drill_timestamp_seconds": 300,
        "pgstack_drill_passed": 1,
    }


def of_files(monkeypatch: pytest.MonkeyPatch, saved: int | None, result: str, ended: int) -> None:
    monkeypatch.setattr(files, "last_saved", lambda _: saved)
    monkeypatch.setattr(files, "last_drill", lambda _: {"result": result, "ended": ended})


def test_what_is_older_of_rows_and_files_tells(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    know(monkeypatch, "passed", 100, 200)
    of_files(monkeypatch, 150, "failed", 250)
    facts.find_out(stack)
    assert values(stack) == {
        "pgstack_backup_timestamp_seconds": 150,
        "pgstack_drill_timestamp_seconds": 250,
        "pgstack_drill_passed": 0,
    }


@pytest.mark.parametrize(("saved", "told"), [(150, 150), (None, None)])
def test_a_web_host_tells_of_its_files(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, saved: int | None, told: int | None
) -> None:
    of_files(monkeypatch, saved, "passed", 250)
    facts.find_out(stack.model_copy(update={"backup": None}))
    assert values(stack).get("pgstack_backup_timestamp_seconds") == told


def test_files_alone_are_no_backup_of_a_database(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    know(monkeypatch, "passed")
    of_files(monkeypatch, 150, "passed", 250)
    facts.find_out(stack)
    assert "pgstack_backup_timestamp_seconds" not in values(stack)


def test_a_drill_that_failed_is_told_and_one_that_runs_changes_nothing(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    know(monkeypatch, "failed")
    facts.find_out(stack)
    assert values(stack)["pgstack_drill_passed"] == 0
    know(monkeypatch, "running")
    facts.find_out(stack)
    assert values(stack)["pgstack_drill_passed"] == 0


def member(stack: Stack) -> Stack:
    """The same facts, told by a member of a cluster."""
    return member_plan().model_copy(update={"metrics": stack.metrics})


def test_only_the_member_that_leads_tells_of_the_repository_that_all_have(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    know(monkeypatch, "passed", 200)
    monkeypatch.setattr(postgres, "ask", lambda *_: "00000002")
    for leads, told_ in ((True, 3), (False, 0), (True, 3)):
        monkeypatch.setattr(patroni, "leads", lambda _, leads=leads: leads)
        facts.find_out(member(stack))
        assert len(values(stack)) == told_


@pytest.mark.parametrize(("timeline", "begins"), [("00000002", False), ("00000003", True)])
def test_a_backup_follows_once_another_member_leads(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, timeline: str, begins: bool
) -> None:
    """Of what the one before had not archived nobody else may have a copy in the archive."""
    know(monkeypatch, "passed", 200)
    started: list[str] = []
    monkeypatch.setattr(patroni, "leads", lambda _: True)
    monkeypatch.setattr(postgres, "ask", lambda *_: timeline)
    monkeypatch.setattr(system, "require", lambda *words, **_: started.extend(words[-1:]) or "")
    facts.find_out(member(stack))
    assert started == ["stack-backup@incr.service"] * begins


def test_what_cannot_be_found_out_stays_as_it_was(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    know(monkeypatch, "passed", 200)
    facts.find_out(stack)

    def gone(_: Stack) -> list[Kept]:
        raise StackctlError("no repository")

    monkeypatch.setattr(backup, "restorable_backups", gone)
    with pytest.raises(StackctlError, match="no repository"):
        facts.find_out(stack)
    assert values(stack)["pgstack_backup_timestamp_seconds"] == 200


@pytest.mark.parametrize(("code", "passed"), [(0, 1), (1, 0), (2, 0)])
def test_a_verify_is_told(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, code: int, passed: int
) -> None:
    done = system.Done((), code, "said\n", "")
    monkeypatch.setattr(system, "run", lambda *_: done)
    assert facts.verify(stack) == code
    assert values(stack)["pgstack_verify_passed"] == passed


@pytest.mark.parametrize(
    ("leads", "code", "said"),
    [
        (True, 1, "1 kept, the oldest {} d old: the next one is late\n"),
        (False, 0, "backup     1 can be read; the member that leads tells how old\n"),
    ],
)
def test_the_member_that_leads_fails_its_verify_for_a_late_backup(
    stack: Stack,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    leads: bool,
    code: int,
    said: str,
) -> None:
    well_but_for_backups(monkeypatch, leads=leads)
    ended = int(time.time()) - 3 * DAY
    kept = [Kept("20261124-030000F", "full", ended, 1, "00000002")]
    monkeypatch.setattr(backup, "restorable_backups", lambda _: kept)
    assert facts.verify(member(stack)) == code
    assert said.format(3) in capsys.readouterr().out


@pytest.mark.parametrize("leads", [True, False])
def test_no_member_passes_its_verify_without_its_repository(
    stack: Stack,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    leads: bool,
) -> None:
    well_but_for_backups(monkeypatch, leads=leads)

    def gone(_: Stack) -> list[Kept]:
        raise StackctlError("no repository")

    monkeypatch.setattr(backup, "restorable_backups", gone)
    assert facts.verify(member(stack)) == 1
    assert "backup     no repository\n" in capsys.readouterr().out


def well_but_for_backups(monkeypatch: pytest.MonkeyPatch, *, leads: bool) -> None:
    """A member whose servers and drill are well, and whose WAL arrives."""
    monkeypatch.setattr(patroni, "leads", lambda _: leads)
    monkeypatch.setattr(postgres, "ask", lambda *_: "5|f|0|0")
    monkeypatch.setattr(system, "run", lambda *_: system.Done((), 1, "", ""))
    monkeypatch.setattr(rehearsed, "read", lambda _: None)
    monkeypatch.setattr(status, "of_postgres", lambda _: Line("postgres", "runs"))

    def report(_: Stack, ask: object) -> list[Line]:
        return [Line("members", "as they are once they have settled", ask is members.settled)]

    monkeypatch.setattr(membership, "report", report)


def test_the_release_that_serves_is_told(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to("/srv/stack/releases/abc")
    (sample,) = told.collect(stack)
    assert (sample.metric.name, sample.labels) == ("pgstack_release_timestamp_seconds", ("abc",))


def test_what_is_no_fact_is_an_error(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "verify.json").write_text(json.dumps({"moment": "then"}))
    with pytest.raises(ValueError, match="moment"):
        list(told.collect(stack))
