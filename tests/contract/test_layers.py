"""The core runs without Django: import-linter reads the imports, this runs them."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


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
