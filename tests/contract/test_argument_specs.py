"""Ansible's argument specs name the inputs of the model, and say of each what the model says."""

from __future__ import annotations

from pathlib import Path

import yaml

from pgstack.config import StackConfig

ROLES = Path(__file__).resolve().parents[2] / "ansible/roles"
ELSEWHERE = {"target", "dir", "account", "project", "requirements", "commands", "environment"}
"""inputs that say nothing on a host: what and where it runs is fixed there, and `project` says more of the project"""


def test_inputs_are_those_of_the_model() -> None:
    specs = yaml.safe_load((ROLES / "host/meta/argument_specs.yml").read_text())["argument_specs"]
    for entry in ("preflight", "main"):
        options = specs[entry]["options"]["stack_inputs"]["options"]
        described = {name: option["description"] for name, option in options.items() if name != "project"}
        assert described == {
            name: field.description for name, field in StackConfig.model_fields.items() if name not in ELSEWHERE
        }


def test_every_role_says_what_it_takes() -> None:
    for role in ROLES.iterdir():
        specs = yaml.safe_load((role / "meta/argument_specs.yml").read_text())["argument_specs"]
        assert specs["main"]["short_description"], role
        defaults = role / "defaults/main.yml"
        names = set(yaml.safe_load(defaults.read_text())) if defaults.exists() else set()
        assert names <= set(specs["main"]["options"]), role
