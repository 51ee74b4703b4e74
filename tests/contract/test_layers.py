"""The core runs without Django: import-linter reads the imports, this runs them.

And what the rooms share is written once.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]

REPLACES = re.compile(r"""\bos\.(replace|rename|renames)\(|\.rename\(|\.new["']""")
TAKES_A_NAME = {
    "app/pgstack/ops/exchange.py",  # whole directories; what was there stays, aside
    "app/pgstack/ops/replacing.py",
    "host/stackctl/files.py",  # a tree that was restored, in the place of one that was set aside
    "host/stackctl/release.py",  # takes what an account collected out of its reach, to no name
}


def core() -> list[str]:
    """The modules that import-linter keeps free of Django."""
    contracts = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["importlinter"][
        "contracts"
    ]
    (modules,) = [
        one["source_modules"] for one in contracts if one.get("forbidden_modules") == ["django"]
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
    found = {
        name: [line.strip() for line in text.splitlines() if REPLACES.search(line)]
        for name, text in sources.items()
        if name not in TAKES_A_NAME
    }
    found.pop("app/pgstack/targets/directory.py")  # the names, for what may be deleted
    found.pop("loadtest/lab/limits.py")  # and for what is passed over
    assert {name: lines for name, lines in found.items() if lines} == {}
