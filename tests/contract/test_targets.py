"""What a target or a host's part is, its module says: nothing else asks which one it is."""

from __future__ import annotations

import re

import pytest

from pgstack.planning import layout, services, targets
from pgstack.planning.config import StackConfig
from pgstack.planning.hardware import Hardware
from pgstack.planning.sizing import plan
from pgstack.rendering import manifest

ASKS = re.compile(
    r"""\b(target|part)\b["'\]]*\ *(==|!=)       # stack.part == …, stack["part"] == …
    |\.(target|part)\ (not\ )?in\              # stack.part in […]
    |(==|!=)\ *\w+\.(target|part)\b            # … == plan.target""",
    re.VERBOSE,
)
TREES = ("app", "host", "ansible", "apache", "pgbouncer", "postgres")
OWN = ("app/pgstack/planning/targets", "app/pgstack/targets/local.py")
GB = 1024**3
HERE = Hardware(cores=2, memory=4 * GB, debian=13, open_files=65536)


def sources() -> dict[str, str]:
    """Text of each file that is ours, by its path in the checkout."""
    files = {
        str(path.relative_to(layout.CHECKOUT)): path
        for tree in TREES
        for path in (layout.CHECKOUT / tree).rglob("*")
        if path.suffix in (".py", ".yml", ".j2", "") and path.is_file()
    }
    return {
        name: path.read_text()
        for name, path in files.items()
        if not name.startswith(OWN) and "__pycache__" not in name
    }


def test_nobody_asks_which_target_or_part_it_is() -> None:
    asked = [
        f"{name}: {line.strip()}"
        for name, text in sources().items()
        for line in text.splitlines()
        if ASKS.search(line)
    ]
    assert asked == []


@pytest.mark.parametrize(
    "line",
    [
        'if plan.target == "local":',
        "when: stack.part != 'web'",
        '{% if stack.part != "web" %}',
        "when: stack.part in ['all', item.part]",
        'if stack["part"] == "web":',
        'if "local" == plan.target:',
    ],
)
def test_the_search_finds_each_way_to_ask(line: str) -> None:
    assert ASKS.search(line)


@pytest.mark.parametrize("name", targets.TARGETS)
def test_a_target_comes_from_its_name(name: str) -> None:
    assert targets.of(name).name == name


@pytest.mark.parametrize(
    ("inputs", "names"),
    [
        ({}, ("postgres", "pgbouncer", "apache", "metrics")),
        ({"target": "compose"}, ("postgres", "pgbouncer", "apache", "metrics")),
        ({"observability": "off"}, ("postgres", "pgbouncer", "apache")),
        (
            {"target": "host"},
            ("postgres", "pgbouncer", "apache", "metrics", "host", "firewall", "backup"),
        ),
        (
            {"target": "host", "firewall": "off", "backup": "off", "observability": "off"},
            ("postgres", "pgbouncer", "apache", "host"),
        ),
        (
            {"target": "host", "database_host": "db.example"},
            ("pgbouncer", "apache", "metrics", "host", "firewall", "backup"),
        ),
        (
            {"target": "host", "database_host": "db.example", "web_addresses": "10.0.0.0/8"},
            ("postgres", "metrics", "host", "firewall", "backup"),
        ),
    ],
)
def test_a_plan_says_which_services_a_host_has(
    inputs: dict[str, str], names: tuple[str, ...]
) -> None:
    made = plan(StackConfig.model_validate(inputs), HERE)
    assert made.services == names
    assert [service.name for service in services.of(made)] == list(names)
    folders = {template.source.partition("/")[0] for template in manifest.templates(made)}
    templates = [name for name in names if name != "metrics"]  # it reads the plan
    assert folders == {"host" if name in ("firewall", "backup") else name for name in templates}
    servers = [name for name in names if name in ("postgres", "pgbouncer", "apache")]
    assert list(services.servers(made)) == servers
