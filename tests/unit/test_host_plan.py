"""The plan that stackctl finds on its host, and one that it does not understand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fixtures.host_plan import host_plan
from stackctl import stack
from stackctl.safe import StackctlError


def read(tmp_path: Path, text: str) -> stack.Stack:
    path = tmp_path / "plan.json"
    path.write_text(text)
    return stack.read(str(path))


def test_a_plan_is_read_as_it_was_written(tmp_path: Path) -> None:
    plan = host_plan()
    again = read(tmp_path, plan.model_dump_json())
    assert again == plan
    assert again.live("apache-a") == Path("/etc/stack/live/apache-a")


def older(plan: dict[str, Any]) -> None:
    del plan["web"]["processes"]


def newer(plan: dict[str, Any]) -> None:
    plan["queue"] = {}


@pytest.mark.parametrize(("change", "place"), [(older, "web.processes"), (newer, "queue")])
def test_a_plan_of_another_version_is_refused_by_name(
    change: Any, place: str, tmp_path: Path
) -> None:
    plan = json.loads(host_plan().model_dump_json())
    change(plan)
    with pytest.raises(StackctlError) as refused:
        read(tmp_path, json.dumps(plan))
    assert f"plan.json: {place}: " in str(refused.value)
    assert "run the playbook site.yml" in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize("text", ["", "{", "[]"])
def test_what_is_no_plan_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(StackctlError, match=r"plan\.json: .*site\.yml"):
        read(tmp_path, text)


def test_no_plan_is_told() -> None:
    with pytest.raises(StackctlError, match=r"No such file or directory\. Run the playbook site"):
        stack.read("/nonexistent/plan.json")
