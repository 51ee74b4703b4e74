"""The lists of inputs in the docs, Compose and Ansible are what the model says.

After a change of it: GOLDEN=write pytest tests/contract/test_inputs.py.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml
from tools import inputs

from pgstack.planning.config import StackConfig
from pgstack.planning.input_names import environment_name

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("path", inputs.MADE)
def test_list_is_what_the_model_says(path: str) -> None:
    expected = inputs.written(path)
    if os.environ.get("GOLDEN") == "write":
        (CHECKOUT / path).write_text(expected)
    assert (CHECKOUT / path).read_text() == expected


def test_docs_name_every_input() -> None:
    page = (CHECKOUT / "docs/inputs.md").read_text()
    assert [
        name for name in StackConfig.model_fields if f"| `{environment_name(name)}` |" not in page
    ] == []


def test_every_role_says_what_it_takes() -> None:
    for role in (CHECKOUT / "ansible/roles").iterdir():
        specs = yaml.safe_load((role / "meta/argument_specs.yml").read_text())["argument_specs"]
        assert specs["main"]["short_description"], role
        defaults = role / "defaults/main.yml"
        names = set(yaml.safe_load(defaults.read_text())) if defaults.exists() else set()
        assert names <= set(specs["main"]["options"]), role


def test_both_entries_of_the_host_take_the_same_inputs() -> None:
    specs = yaml.safe_load((CHECKOUT / "ansible/roles/host/meta/argument_specs.yml").read_text())[
        "argument_specs"
    ]
    given = specs["preflight"]["options"]["stack_inputs"]["options"]
    assert given == specs["main"]["options"]["stack_inputs"]["options"]
    assert {"pool_size", "project"} <= set(given)
