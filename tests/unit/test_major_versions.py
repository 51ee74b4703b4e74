"""A major upgrade: what is refused, how long requests wait, what is sorted anew and compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fixtures.host_plan import planned
from pgstack.errors import InputError
from pgstack.live.probes import collations
from pgstack.ops import major
from pgstack.ops.major import Rehearsal
from pgstack.planning import config, layout
from stackctl import backup, major_backup, major_files, major_switch
from stackctl.safe import StackctlError

STEPS = {"promote": 0.4, "end": 0.3, "pg_upgrade": 4.1, "start": 0.5, "complete": 0.7}
REHEARSAL = Rehearsal(1000.0, 15, 17, STEPS, 270 * 1024**2, 200)


def test_the_hold_is_the_sum_of_its_steps() -> None:
    assert REHEARSAL.hold == pytest.approx(10.0)
    assert REHEARSAL.arithmetic() == (
        "10.0 s: stop 1.0 + promote 0.4 + end 0.3 + pg_upgrade 4.1 + start 0.5 + complete 0.7 "
        "+ switch 3.0 (200 tables, 270 MB)"
    )


def test_it_says_how_many_requests_a_second_have_a_worker_meanwhile() -> None:
    plan = planned()
    workers = plan.apache.max_request_workers
    assert REHEARSAL.held(plan).startswith(
        f"{workers} workers of Apache hold {workers / 10:.0f} requests/s for so long; "
    )


def test_a_hold_that_requests_cannot_wait_for_is_refused_with_the_request_timeout_it_needs() -> (
    None
):
    refused = REHEARSAL.refusal(planned())
    assert "10.0 s: stop 1.0" in refused
    assert "fail after 9 s" in refused
    assert "request_timeout to 33" in refused
    assert REHEARSAL.refusal(planned(request_timeout=33)) == ""
    assert REHEARSAL.refusal(planned(request_timeout=32)) != ""


@pytest.mark.parametrize(
    ("actual", "rebuilt"),
    [("153.128", ["public.by_name"]), ("153.120", []), ("", [])],
)
def test_an_index_is_rebuilt_when_the_library_sorts_by_another_version(
    actual: str, rebuilt: list[str]
) -> None:
    name = 'pg_catalog."de-x-icu"'
    before = [("default", "", ""), (name, "153.120", "153.120")]
    after = [("default", "", ""), (name, actual, actual)]
    indexes = [("public.by_name", name), ("public.by_key", "default")]
    assert [index for index, _ in collations.out_of_order(before, after, indexes)] == rebuilt


def test_an_index_of_the_default_collation_is_rebuilt_after_an_upgrade_of_debian() -> None:
    before = [("default", "2.36", "2.41")]
    after = [("default", "2.36", "2.41")]
    assert collations.out_of_order(before, after, [("public.i", "default")]) == [
        ("public.i", "default")
    ]


def test_tables_that_differ_are_named_with_both_sides() -> None:
    old = {"a": "2 rows, 7", "b": "1 rows, 1"}
    assert major.differences(old, dict(old)) == []
    assert major.differences(old, {"a": "2 rows, 8", "c": "0 rows, 0"}) == [
        "a: 2 rows, 7 before, 2 rows, 8 after",
        "b: 1 rows, 1 before, not there after",
        "c: not there before, 0 rows, 0 after",
    ]


@pytest.mark.parametrize(
    ("now", "step", "wrong"),
    [(10, 1, 0), (42, 1, 0), (9, 1, 1), (44, 1, 1), (8, -1, 0), (11, -1, 1)],
)
def test_a_sequence_may_skip_what_a_standby_skips_and_never_goes_back(
    now: int, step: int, wrong: int
) -> None:
    assert len(major.behind({"s": (10, step)}, {"s": (now, step)})) == wrong


def test_a_sequence_that_is_gone_is_named() -> None:
    assert major.behind({"s": (10, 1)}, {}) == ["s: 10 before, not there after"]


def test_extensions_without_files_are_named_once() -> None:
    assert major.missing_files(["ip4r", "plpgsql", "ip4r"], ["plpgsql.control"]) == ["ip4r"]


def test_what_pg_upgrade_has_against_it_is_told_from_its_line_on() -> None:
    said = "Checking versions  ok\nChecking for x   fatal\n\nYour installation contains y.\n"
    assert major.complaint(said) == "Checking for x   fatal Your installation contains y."


def test_pg_upgrade_links_and_reads_scratch_settings_only() -> None:
    words = major.pg_upgrade(("/o", "/n"), ("/od", "/nd"), ("/p/15", "/p/17"), "/p", "postgres", 2)
    assert words[:3] == ["env", "--chdir=/p", "/n/pg_upgrade"]
    assert {"--link", "--old-options=-c config_file=/p/15", "--socketdir=/p"} <= set(words)


@pytest.mark.parametrize(
    ("debian", "wanted", "version"),
    [(13, None, 17), (13, "15", 15), (13, "17", 17), (12, None, 15)],
)
def test_the_plan_has_the_major_version_that_is_named(
    debian: int, wanted: str | None, version: int
) -> None:
    given = {"STACK_POSTGRESQL": wanted} if wanted else {}
    assert layout.versions(config.load(given, target="host"), debian).postgresql == version


def test_a_major_version_that_debian_does_not_have_yet_is_refused() -> None:
    given = config.load({"STACK_POSTGRESQL": "17"}, target="host")
    with pytest.raises(InputError, match=r"STACK_POSTGRESQL=17: Debian 12 has PostgreSQL 15"):
        layout.versions(given, 12)


def test_an_unknown_major_version_is_refused() -> None:
    with pytest.raises(InputError, match=r"STACK_POSTGRESQL.*expected 15 or 17"):
        config.load({"STACK_POSTGRESQL": "16"}, target="host")


def _stanza(*identifiers: int) -> str:
    kept = [
        {
            "label": f"2026112{number}-030000F",
            "type": "full",
            "timestamp": {"stop": number},
            "info": {"size": 1},
            "archive": {"stop": "000000010000000000000001"},
            "error": False,
            "database": {"id": number},
        }
        for number in identifiers
    ]
    databases = [{"id": 1, "system-id": 1}, {"id": 2, "system-id": 2}]
    return json.dumps([{"status": {"code": 0}, "db": databases, "backup": kept}])


def test_backups_of_the_version_before_are_none_to_restore() -> None:
    assert [kept.label for kept in backup.parse(_stanza(1, 2))] == ["20261122-030000F"]
    assert backup.parse(_stanza(1)) == []


def _files(version: int) -> list[dict[str, Any]]:
    plan = planned(postgresql=version)
    return [{"dest": "/etc/stack/plan.json", "content": plan.model_dump_json(), "mode": "0644"}]


@pytest.fixture
def both(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {major_files.OLD: _files(15), major_files.NEW: _files(17)}
    monkeypatch.setattr(major_files.scratch, "load", lambda _, name: known.get(name))


@pytest.mark.usefixtures("both")
@pytest.mark.parametrize(("in_force", "other"), [(15, 17), (17, 15)])
def test_the_plan_says_which_version_is_in_force(in_force: int, other: int) -> None:
    stack = major_files.plan_of(planned(), _files(in_force))
    known = major_files.sides(stack)
    assert known is not None
    assert [side.versions.postgresql for side in (known[0], known[2])] == [in_force, other]


def test_no_other_version_is_known_without_an_upgrade(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(major_files.scratch, "load", lambda *_: None)
    assert major_files.sides(planned()) is None
    with pytest.raises(StackctlError, match=r"upgrade\.yml"):
        major_files.staged(planned())


def test_time_that_is_over_ends_the_hold() -> None:
    left = major_switch.Held(0.0)
    with pytest.raises(StackctlError, match="longer than the 0 s that requests can wait"):
        left()


def test_the_version_of_before_is_where_it_was() -> None:
    stack = planned(postgresql=15)
    assert major_files.mark(stack) == Path("/var/lib/postgresql/15-main.stack")
    assert major_files.cluster(stack) == Path("/etc/postgresql/15/main")


def test_a_rehearsal_says_what_its_copy_was_made_of() -> None:
    kept = backup.Kept("20261122-030000F", "full", 1000, 90, "00000001")
    assert major_backup.told(kept, 12.3) == (
        "copied from the backup 20261122-030000F and its archive in 12 s"
    )
    assert major_backup.told(None, 12.3) == (
        "copied from the server that serves in 12 s: there is no backup"
    )


def test_repositories_that_cannot_be_read_stop_a_rehearsal(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreadable(_: Any) -> Any:
        raise StackctlError("ERROR: [103]: unable to find a valid repository")

    monkeypatch.setattr(backup, "restorable_backups", unreadable)
    said = (
        r"valid repository\nA rehearsal works on a copy of the last backup; nothing was changed\."
    )
    with pytest.raises(StackctlError, match=said):
        major_backup.make(planned())
