"""Ansible's template module and `render` write the same bytes from one set of templates.

Ansible hands templates plain dictionaries, `render` hands them a Plan: what a template asks for must be in both.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pgstack import layout, render, sizing
from pgstack.config import StackConfig
from pgstack.hardware import Hardware
from pgstack.plan import Plan

GB = 1024**3
# Between them they take every branch of the templates.
PLANS = {
    "debian12": (12, {"target": "compose", "address": "*"}),
    "debian13": (13, {"target": "host", "tls": "self-signed", "hosts": "shop.example, .example.org, [::1]"}),
    "project": (13, {"target": "host", "tls": "self-signed", "project": "shop", "settings": "shop.settings"}),
}
PLAYBOOK = [
    {
        "hosts": "all", "gather_facts": False,
        "tasks": [{
            "ansible.builtin.template": {"src": "{{ item.src }}", "dest": "{{ item.dest }}", "mode": "0644"},
            "loop": "{{ templates }}",
        }],
    }
]  # fmt: skip


def plan(name: str) -> Plan:
    debian, inputs = PLANS[name]
    config = StackConfig.model_validate(inputs)
    return sizing.plan(config, Hardware(cores=2, memory=4 * GB, debian=debian, open_files=65536))


def files(name: str) -> dict[str, str]:
    """Text of each rendered file by the path of its template, plan.json left out."""
    stack = plan(name)
    texts = {file.path: file.text for file in render.files(stack)}
    return {one.source.removesuffix(".j2"): texts[one.path] for one in render.templates(stack)}


def host(name: str, directory: Path) -> dict[str, Any]:
    """Variables of one inventory host: the plan as Ansible sees it, and what to write where."""
    (directory / name).mkdir()
    return {
        "ansible_connection": "local", "ansible_python_interpreter": sys.executable,
        "stack": json.loads(plan(name).model_dump_json()),
        "templates": [
            {"src": f"{layout.PROJECT}/{path}.j2", "dest": str(directory / name / path.replace("/", "__"))}
            for path in files(name)
        ],
    }  # fmt: skip


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory with one directory for each plan, as one run of a playbook filled it."""
    directory = tmp_path_factory.mktemp("ansible")
    inventory = {"all": {"hosts": {name: host(name, directory) for name in PLANS}}}
    (directory / "inventory.json").write_text(json.dumps(inventory))
    (directory / "playbook.json").write_text(json.dumps(PLAYBOOK))
    (directory / "ansible.cfg").touch()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    environment |= {
        "ANSIBLE_HOME": str(directory / "home"), "ANSIBLE_REMOTE_TEMP": str(directory / "tmp"),
        "ANSIBLE_CONFIG": str(directory / "ansible.cfg"),
        "ANSIBLE_NOCOLOR": "1", "ANSIBLE_PIPELINING": "1", "LC_ALL": "C.UTF-8",
    }  # fmt: skip
    command = [Path(sys.executable).with_name("ansible-playbook"), "-i", "inventory.json", "playbook.json"]
    done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return directory


@pytest.mark.parametrize("name", PLANS)
def test_ansible_writes_the_bytes_that_render_writes(written: Path, name: str) -> None:
    found = {path.name.replace("__", "/"): path.read_bytes() for path in (written / name).iterdir()}
    assert found == {path: text.encode() for path, text in files(name).items()}


def test_every_template_of_the_tree_is_rendered() -> None:
    tree = {str(path.relative_to(layout.PROJECT).with_suffix("")) for path in layout.PROJECT.glob("*/*.j2")}
    assert set(files("debian13")) == tree
    units = {path for path in tree if path.startswith("host/")}
    assert tree - set(files("debian12")) == {"pgbouncer/ident.conf", *units}
