"""The core runs without Django: import-linter reads the imports, this runs them.

And what the rooms share is written once.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]

REPLACES = re.compile(r"""\bos\.(replace|rename|renames)\(|\.rename\(|\.new["']""")
TAKES_A_NAME = {
    "app/pgstack/ops/exchange.py",  # whole directories; what was there stays, aside
    "app/pgstack/ops/replacing.py",
    "app/pgstack/targets/major.py",  # whole directories, of which the older stays, aside
    "host/stackctl/files_back.py",  # a tree that was restored, in the place of one that was set aside
    "host/stackctl/release.py",  # takes what an account collected out of its reach, to no name
}


def core() -> list[str]:
    """The modules that import-linter keeps free of Django."""
    contracts = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["importlinter"][
        "contracts"
    ]
    (modules,) = [
        contract["source_modules"]
        for contract in contracts
        if contract.get("forbidden_modules") == ["django"]
    ]
    return list(modules)


IMPORT_ALL = """
import importlib, pkgutil, sys
for name in sys.argv[1:]:
    package = importlib.import_module(name)
    for module in pkgutil.walk_packages(getattr(package, "__path__", ()), f"{name}."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
sys.exit("django" in sys.modules)
"""


def test_importing_the_core_imports_no_django() -> None:
    assert {"pgstack.planning", "pgstack.rendering"} <= set(core())
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, *core()],
        cwd=CHECKOUT / "app",
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_one_operation_writes_beside_and_replaces() -> None:
    sources = {
        str(path.relative_to(CHECKOUT)): path.read_text()
        for tree in ("app", "host", "ansible", "postgres", "apache", "loadtest")
        for path in (CHECKOUT / tree).rglob("*.py")
        if not path.is_symlink()
    }
    assert len(sources) > 200
    replacing = {
        name: [line.strip() for line in text.splitlines() if REPLACES.search(line)]
        for name, text in sources.items()
        if name not in TAKES_A_NAME
    }
    replacing.pop("app/pgstack/targets/directory.py")  # the names, for what may be deleted
    replacing.pop("loadtest/lab/limits.py")  # and for what is passed over
    assert {name: lines for name, lines in replacing.items() if lines} == {}


def imported_names(module: str, path: Path) -> Iterator[tuple[str, str]]:
    """What a file imports, also within functions and for types alone: its dotted name, and that of
    the module it is in if it is none itself."""
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*above, *([node.module] if node.module else [])])
            yield from ((f"{source}.{alias.name}", source) for alias in node.names)


def imports_between_files(tree: Path) -> dict[str, set[str]]:
    """Modules below `tree`, each with those below it that it imports."""
    files = {
        ".".join(path.relative_to(tree).with_suffix("").parts).removesuffix(".__init__"): path
        for path in tree.rglob("*.py")
        if not path.is_symlink()
    }
    return {
        module: {
            name if name in files else source
            for name, source in imported_names(module, path)
            if {name, source} & set(files)
        }
        - {module}
        for module, path in files.items()
    }


@pytest.mark.parametrize("tree", ["app", "host", "tools", "loadtest"])
def test_no_files_import_each_other_in_a_circle(tree: str) -> None:
    graph = imports_between_files(CHECKOUT / tree)
    assert len(graph) > 5
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


def test_a_circle_is_found_also_for_types_alone(tmp_path: Path) -> None:
    (tmp_path / "room").mkdir()
    (tmp_path / "room/__init__.py").write_text("")
    (tmp_path / "room/chair.py").write_text("from room import table\n")
    (tmp_path / "room/table.py").write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .chair import Chair\n"
    )
    graph = imports_between_files(tmp_path)
    assert graph["room.chair"] == {"room.table"}
    assert graph["room.table"] == {"room.chair"}
