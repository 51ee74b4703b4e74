"""Lanes in the plan: processes and a pool of their own, and what they take from the rest."""

from __future__ import annotations

import re
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from pgstack import settings
from pgstack.errors import UnsoundPlan
from pgstack.overlay import environment
from pgstack.planning import invariants, lanes
from pgstack.planning.config import StackConfig
from pgstack.planning.hardware import Hardware
from pgstack.planning.plan import Plan
from pgstack.planning.sizing import plan
from pgstack.rendering import templates

MB, GB = 1024**2, 1024**3
LANES = "reports=/reports/,/v1.2:2x3:pool 2;slow=/slow"


def planned(lanes: str = LANES, **inputs: Any) -> Plan:
    here = Hardware(cores=2, memory=inputs.pop("memory", 4 * GB), debian=inputs.pop("debian", 13))
    return plan(StackConfig.model_validate({"lanes": lanes, **inputs}), here)


def text(stack: Plan, name: str) -> str:
    return next(file.text for file in templates.files(stack) if file.path.name == name)


def test_without_lanes_nothing_is_planned_for_them() -> None:
    stack = planned("")
    assert (stack.lanes, stack.memory.lanes, stack.requests) == ((), 0, 8)
    rendered = text(stack, "site.conf") + text(stack, "pgbouncer.ini") + text(stack, "hba.conf")
    assert "app_lane" not in rendered
    assert "WSGIProcessGroup" not in rendered
    assert "process-group=stack application-group=%{GLOBAL}" in rendered


def test_processes_and_pools_are_counted() -> None:
    stack, before = planned(), planned("")
    reports, slow = stack.lanes
    assert (reports.pool_size, slow.pool_size) == (2, 4)
    assert (stack.web, before.web.requests, stack.requests) == (
        before.web.model_copy(update={"listen_backlog": stack.web.listen_backlog}),
        8,
        8 + 6 + 4,
    )
    assert stack.memory.lanes == (2 * 71 + 72) * MB
    assert stack.pooler.default_pool_size == before.pooler.default_pool_size
    assert stack.pooler.max_client_conn == before.pooler.max_client_conn + 2 * 10
    assert stack.pooler.file_descriptors == before.pooler.file_descriptors + 2 * 10 + 6
    assert stack.postgres.max_connections == before.postgres.max_connections + 6
    assert stack.apache.max_request_workers > before.apache.max_request_workers


def test_each_web_host_has_them() -> None:
    stack, before = (
        planned(text, target="host", web_hosts=3, database_host="db.example.org")
        for text in (LANES, "")
    )
    # three hosts, on each an instance of PgBouncer and one that takes over
    assert stack.postgres.max_connections == before.postgres.max_connections + 6 * 6


def test_its_lines_say_so() -> None:
    stack = planned()
    line = next(
        line
        for line in text(stack, "pgbouncer.ini").splitlines()
        if line.startswith("app_lane_rep")
    )
    assert " dbname=app user=app pool_size=2 reserve_pool_size=0 max_db_connections=2 " in line
    assert "SET statement_timeout TO ''20s''" in line
    assert " reserve_pool=0 " in text(planned(debian=12), "pgbouncer.ini")
    wanted = "local app,app_lane_reports,app_lane_slow app,app_monitor peer map=stack"
    assert wanted in text(stack, "hba.conf")


@pytest.mark.parametrize(
    ("path", "group"),
    [
        ("/reports/", "lane-reports"),
        ("/reports/a/b", "lane-reports"),
        ("/reports", "stack"),
        ("/v1.2", "lane-reports"),
        ("/v1.2/", "lane-reports"),
        ("/v1.20", "stack"),
        ("/v1x2", "stack"),
        ("/slow", "lane-slow"),
        ("/slower", "stack"),
        ("/a/slow", "stack"),
        ("/", "stack"),
    ],
)
def test_apache_and_the_plan_agree_on_whose_a_path_is(path: str, group: str) -> None:
    stack = planned()
    sections = re.findall(
        r'<LocationMatch "(.*)">\n\s+WSGIProcessGroup (\S+)', text(stack, "site.conf")
    )
    chosen = [name for pattern, name in sections[: len(stack.lanes)] if re.search(pattern, path)]
    assert (chosen or ["stack"]) == [group]
    assert lanes.group_of(stack.lanes, path) == group


def test_slashes_at_the_beginning_count_as_one() -> None:
    """mod_wsgi has PATH_INFO begin with one of them, and `/%2Fslow` has two in Apache."""
    pattern = planned().lanes[1].pattern
    assert pattern == "^/+(slow(/|$))"
    assert re.search(pattern, "//slow")
    assert not re.search(pattern, "//a/slow")


def test_more_than_there_is_memory_for_is_refused_with_the_sum() -> None:
    with pytest.raises(
        UnsoundPlan, match=r"\+ 8448 lanes \+ .* > 4096 = memory\. .*or ask for less in STACK_LANES"
    ):
        planned("slow=/slow:64x64")


def test_more_backends_than_a_server_grants_are_refused_with_the_sum() -> None:
    stack = planned()
    few = stack.postgres.model_copy(update={"max_connections": 20})
    broken = [
        rule
        for rule in invariants.check(stack.model_copy(update={"postgres": few}))
        if not rule.holds
    ]
    assert [rule.name for rule in broken] == ["backends of PostgreSQL"]
    assert "(7 + 2 of lane reports + 4 of lane slow) max_db_connections x 1" in broken[0].arithmetic


def test_settings_of_a_lane_lead_to_its_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    stack = planned()
    monkeypatch.setattr(settings, "current_plan", lambda: stack)
    monkeypatch.delenv("STACK_WORKER", raising=False)
    # What a client may send ends up in the request, and what starts Apache in the environment.
    monkeypatch.setenv("mod_wsgi.process_group", "lane-slow")
    assert settings.databases()["default"]["NAME"] == "app"
    monkeypatch.setitem(sys.modules, "mod_wsgi", SimpleNamespace(process_group="lane-slow"))
    lane = settings.databases()
    assert lane["default"]["NAME"] == "app_lane_slow"
    assert lane["default"]["OPTIONS"]["application_name"] == "lane slow"
    assert lane["direct"]["NAME"] == "app"
    assert environment.database_url(stack).endswith("/app_lane_slow")
    monkeypatch.setitem(sys.modules, "mod_wsgi", SimpleNamespace(process_group="stack"))
    assert settings.databases()["default"]["NAME"] == "app"
