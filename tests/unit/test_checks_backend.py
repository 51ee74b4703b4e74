"""System checks of DATABASES, of a plain project and of one that follows a plan: id and message of
each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core import checks
from django.test import override_settings

from fixtures.django_settings import configure
from pgstack.planning import config, hardware, sizing
from pgstack.planning.hardware import Hardware
from pgstack.planning.plan import Plan

configure()

GOOD: dict[str, Any] = {
    "ENGINE": "pgstack.db",
    "NAME": "app",
    "HOST": "/run/pooler",
    "PORT": "6432",
    "CONN_MAX_AGE": None,
    "DISABLE_SERVER_SIDE_CURSORS": True,
    "OPTIONS": {"application_name": "web"},
}
DIRECT = GOOD | {"PORT": "5432", "HOST": "/run/postgres"}

Found = Callable[..., dict[str, str]]


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Found]:
    """Ids and messages for an alias `default` that differs from a good one, and other settings."""
    monkeypatch.setenv("STACK_DIR", str(tmp_path))
    monkeypatch.delenv("STACK_PLAN", raising=False)

    def look(
        changed: dict[str, Any] | None = None, direct: bool = True, **others: Any
    ) -> dict[str, str]:
        databases = {"default": GOOD | (changed or {})} | ({"direct": DIRECT} if direct else {})
        with override_settings(DATABASES=databases, **others):
            return {
                str(message.id): f"{message.msg} {message.hint}"
                for message in checks.run_checks(tags=["stack"])
            }

    with pytest.warns(UserWarning, match="Overriding setting DATABASES"):
        yield look


def planned(path: Path, monkeypatch: pytest.MonkeyPatch, **inputs: str) -> Plan:
    """A plan on disk."""
    chosen = config.load({"STACK_DIR": str(path), **inputs})
    plan = sizing.plan(
        chosen, hardware.chosen(chosen, Hardware(cores=2, memory=2 << 30, debian=12))
    )
    (path / "plan.json").write_text(plan.model_dump_json())
    monkeypatch.setenv("STACK_PLAN", str(path / "plan.json"))
    return plan


def test_the_stacks_own_alias_is_not_complained_of(check: Found) -> None:
    assert check() == {}


@pytest.mark.parametrize(
    ("changed", "identifier", "document"),
    [
        ({"DISABLE_SERVER_SIDE_CURSORS": False}, "stack.E001", "H001"),
        ({"OPTIONS": {"application_name": "web", "assume_role": "x"}}, "stack.E012", "H012"),
        ({"OPTIONS": {"application_name": "web", "options": "-c a=b"}}, "stack.E028", "H028"),
        ({"OPTIONS": {"application_name": "web", "isolation_level": 3}}, "stack.W016", "H016"),
        ({"OPTIONS": {"application_name": "web", "prepare_threshold": 5}}, "stack.W023", "H023"),
        ({"OPTIONS": {"application_name": "web", "pool": True}}, "stack.W044", "H044"),
        ({"OPTIONS": {}}, "stack.W018", "H018"),
        ({"TIME_ZONE": "Europe/Berlin"}, "stack.W017", "H017"),
        ({"ATOMIC_REQUESTS": True}, "stack.W040", "H040"),
        ({"CONN_MAX_AGE": 0}, "stack.W042", "H042"),
    ],
)
def test_a_setting_that_does_not_suit_a_pooler_is_named_with_its_page(
    check: Found, changed: dict[str, Any], identifier: str, document: str
) -> None:
    messages = check(changed)
    assert list(messages) == [identifier]
    assert f"See docs/hazards/{document}.md." in messages[identifier]


def test_health_checks_cost_a_query_with_djangos_own_backend_only(check: Found) -> None:
    stock = {"ENGINE": "django.db.backends.postgresql", "CONN_HEALTH_CHECKS": True}
    assert set(check(stock)) == {"stack.W042", "stack.W035"}
    assert check({"CONN_HEALTH_CHECKS": True}) == {}


def test_a_project_without_direct_migrates_and_tests_through_the_pooler(check: Found) -> None:
    assert set(check(direct=False)) == {"stack.W036", "stack.W035"}


def test_connections_that_are_kept_under_asgi_are_complained_of(check: Found) -> None:
    messages = check(ASGI_APPLICATION="config.asgi.application")
    assert list(messages) == ["stack.W103"]
    assert "each thread that ever touched the database keeps one" in messages["stack.W103"]


def test_an_unknown_mode_of_the_guard_is_an_error(check: Found) -> None:
    assert "'loud'" in check({"GUARD": "loud"})["stack.E101"]
    assert check({"GUARD": "log"}) == {}


@pytest.mark.parametrize("patience", ["1", -1])
def test_patience_that_is_no_number_of_seconds_is_an_error(check: Found, patience: object) -> None:
    assert list(check({"PATIENCE_SECONDS": patience})) == ["stack.E102"]


def test_an_alias_that_is_not_pooled_is_left_alone(check: Found) -> None:
    assert check({"POOLED": False, "OPTIONS": {"options": "-c a=b"}, "CONN_MAX_AGE": 0}) == {}


def test_patience_ends_before_the_planned_request(
    check: Found, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = planned(tmp_path, monkeypatch)
    assert list(check({"HOST": plan.paths.run_pooler, "PATIENCE_SECONDS": 30})) == ["stack.E102"]
    assert check({"HOST": plan.paths.run_pooler, "PATIENCE_SECONDS": 29}) == {}


def test_atomic_requests_are_compared_with_the_planned_pool(
    check: Found, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = planned(
        tmp_path, monkeypatch, STACK_PROCESSES="2", STACK_THREADS="8", STACK_POOL_SIZE="5"
    )
    messages = check({"HOST": plan.paths.run_pooler, "ATOMIC_REQUESTS": True})
    assert "can hold 16 backends, and the pool has 7" in messages["stack.W105"]
    assert "stack.W105" not in check({"ATOMIC_REQUESTS": True}), "not of this plan"


def test_an_unsound_plan_is_an_error(
    check: Found, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = planned(tmp_path, monkeypatch)
    broken = plan.model_copy(
        update={"pooler": plan.pooler.model_copy(update={"max_client_conn": 3})}
    )
    (tmp_path / "plan.json").write_text(broken.model_dump_json())
    assert "clients of the pooler" in check({"HOST": plan.paths.run_pooler})["stack.E104"]


@pytest.mark.parametrize(("debian", "complaints"), [(12, ["stack.W023"]), (13, [])])
def test_prepared_statements_are_judged_by_the_planned_pgbouncer(
    check: Found,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    debian: int,
    complaints: list[str],
) -> None:
    plan = planned(tmp_path, monkeypatch, STACK_DEBIAN=str(debian))
    options = {"application_name": "web", "prepare_threshold": 5}
    assert list(check({"HOST": plan.paths.run_pooler, "OPTIONS": options})) == complaints
