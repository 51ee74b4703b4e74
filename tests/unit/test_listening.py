"""Which process has procrastinate listen past PgBouncer; tests/foreign/test_queues.py has one that
does."""

from __future__ import annotations

from typing import Any

import pytest

from pgstack.overlay import listening
from pgstack.planning.config import StackConfig
from pgstack.planning.hardware import Hardware
from pgstack.planning.plan import Plan
from pgstack.planning.sizing import plan

APPS = ["django.contrib.auth", "procrastinate.contrib.django"]
READY, KEPT = "PROCRASTINATE_ON_APP_READY", "PGSTACK_PROCRASTINATE_ON_APP_READY"
HOOK = "pgstack.overlay.listening.listen_past_the_pooler"


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Plan:
    """That of a stack with a worker, which this process is."""
    config = StackConfig.model_validate({"workers": "jobs=manage.py procrastinate worker"})
    planned = plan(config, Hardware(cores=2, memory=4 * 1024**3, debian=13))
    monkeypatch.setattr(listening, "current_plan", lambda: planned)
    monkeypatch.setenv("STACK_WORKER", "jobs")
    return planned


def laid_over(own: dict[str, Any]) -> dict[str, Any]:
    settings, notes = listening.overlay(own)
    assert notes == []
    return settings


@pytest.mark.usefixtures("stack")
def test_a_worker_has_the_hook_and_keeps_the_projects_own() -> None:
    assert laid_over({"INSTALLED_APPS": APPS}) == {READY: HOOK, KEPT: None}
    own = {"INSTALLED_APPS": tuple(APPS), READY: "shop.jobs.ready"}
    once = laid_over(own)
    assert once == {READY: HOOK, KEPT: "shop.jobs.ready"}
    assert laid_over({**own, **once}) == once


@pytest.mark.usefixtures("stack")
def test_other_projects_and_processes_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert laid_over({"INSTALLED_APPS": APPS[:1]}) == {}
    monkeypatch.delenv("STACK_WORKER")
    assert laid_over({"INSTALLED_APPS": APPS}) == {}


def test_a_worker_of_a_database_elsewhere_polls(
    stack: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = stack.model_copy(update={"apart": True})
    monkeypatch.setattr(listening, "current_plan", lambda: elsewhere)
    assert laid_over({"INSTALLED_APPS": APPS}) == {}
