"""Which files an audit reads."""

from __future__ import annotations

import os
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

from pgstack.audit.files import SUFFIXES
from pgstack.errors import InputError

OWN = Path(__file__).resolve().parents[1]
"""this package: its examples are hazards, and its own statements go where they belong"""
_SKIPPED = frozenset(
    {
        "__pycache__", "node_modules", "site-packages", "dist-packages", "build", "dist", "venv", "env", "virtualenv",
        "bower_components", "htmlcov", "staticfiles",
    }
)  # fmt: skip
"""directories that are not the project's own code; hidden ones are skipped too"""
_TESTS = frozenset({"tests", "test", "testing", "testproject"})


def files(paths: Iterable[Path], *, tests: bool = False) -> list[Path]:
    """The files below these paths, each once, in order. A file named itself is always read.

    Tests are left out unless asked for: they run against a database of their own. Raises InputError for a path that
    does not exist.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if not path.exists():
            raise InputError(f"{path}: there is no such file or directory to audit")
        if path.is_file():
            found[path] = None
        else:
            found.update(dict.fromkeys(sorted(_below(path, tests=tests))))
    return list(found)


def package_paths(names: Iterable[str]) -> list[Path]:
    """Directories of installed packages by the names of their modules; only those that pip put there."""
    import importlib.util

    places = [Path(sysconfig.get_path(one)).resolve() for one in ("purelib", "platlib")]
    found: dict[Path, None] = {}
    for name in names:
        spec = importlib.util.find_spec(name.split(".")[0])
        for place in (spec.submodule_search_locations or ()) if spec else ():
            if any(Path(place).resolve().is_relative_to(one) for one in places):
                found[Path(place)] = None
    return list(found)


def _below(root: Path, *, tests: bool) -> Iterator[Path]:
    for directory, names, entries in os.walk(root):
        names[:] = [
            name
            for name in names
            if name not in _SKIPPED and not name.startswith(".") and (tests or name not in _TESTS)
            and not Path(directory, name, "pyvenv.cfg").exists() and Path(directory, name).resolve() != OWN
        ]  # fmt: skip
        read = (one for one in entries if Path(one).suffix in SUFFIXES and (tests or not _is_test(one)))
        yield from (Path(directory, one) for one in read)


def _is_test(name: str) -> bool:
    return name.startswith("test_") or name in ("tests.py", "conftest.py") or name.endswith("_test.py")
