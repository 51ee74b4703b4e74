"""What the tools of Compose know of a plan, under a Python that has no package."""

from __future__ import annotations

import importlib
import re
import subprocess
from pathlib import Path
from types import ModuleType

import pytest
from pydantic import BaseModel

from pgstack.ops import drain, postgres
from pgstack.planning import sizing
from pgstack.planning.config import StackConfig
from pgstack.planning.hardware import Hardware
from pgstack.planning.part import Part
from pgstack.planning.plan import Plan

CHECKOUT = Path(__file__).resolve().parents[2]
TOOLS = CHECKOUT / "tools"
BARE = sorted(
    set(
        re.findall(r"/usr/bin/python3 (?:-B )?tools/(\w+)\.py", (CHECKOUT / "Makefile").read_text())
    )
)
GB = 1024**3


@pytest.fixture
def containers(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(TOOLS)
    return importlib.import_module("containers")


@pytest.fixture
def plan() -> Plan:
    inputs = {"target": "compose", "address": "*"}
    here = Hardware(cores=2, memory=4 * GB, debian=13, open_files=16384)
    return sizing.plan(StackConfig.model_validate(inputs), here)


def parts() -> list[type[BaseModel]]:
    """Every class that a plan is made of."""
    kinds: list[type[BaseModel]] = [Part]
    for kind in kinds:
        kinds += kind.__subclasses__()
    return kinds


@pytest.mark.parametrize("tool", BARE)
def test_what_make_runs_with_debians_python_needs_no_package(tool: str) -> None:
    assert len(BARE) > 8
    words = ("/usr/bin/python3", "-S", "-B", "-c", f"import {tool}")
    done = subprocess.run(words, cwd=TOOLS, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_shared_operations_take_a_plan_that_was_read_without_packages(
    containers: ModuleType, plan: Plan
) -> None:
    read = containers.read_plan(plan.model_dump_json())
    assert postgres.parse(read, read.paths.conf) == [
        *("/usr/lib/postgresql/17/bin/postgres", "-D", "/var/lib/postgresql/17/main"),
        *("-c", "config_file=/etc/stack/postgres/pgstack.conf", "-C", "max_connections"),
    ]
    assert drain.mark(read, min(read.paths.drain)) == Path("/run/stack/apache/drain")
    assert (drain.patience(read), drain.grace(read)) == (drain.patience(plan), drain.grace(plan))
    assert (read.memory.total, read.valkey) == (plan.memory.total, None)


def test_no_field_of_a_plan_hides_behind_a_method_of_a_dictionary(containers: ModuleType) -> None:
    fields = {name for kind in parts() for name in kind.model_fields}
    assert "keep_alive_timeout" in fields
    assert fields & set(dir(containers.Fields)) == set()


def test_a_plan_of_another_version_is_refused_with_what_it_lacks(containers: ModuleType) -> None:
    with pytest.raises(containers.ToolError) as refused:
        _ = containers.read_plan('{"pooler": {}}').pooler.port
    assert str(refused.value) == (
        "/etc/stack/plan.json has no port: it is of another version. `make up` writes it anew."
    )
