"""Which files an audit reads."""

from __future__ import annotations

import os
import sysconfig
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from pgstack.audit.files import SUFFIXES
from pgstack.errors import InputError

OWN = Path(__file__).resolve().parents[1]
"""this package: its examples are hazards, and its own statements go where they belong"""
_SKIPPED = frozenset(
    {
        "__pycache__",
        "node_modules",
        "site-packages",
        "dist-packages",
        "build",
        "dist",
        "venv",
        "env",
        "virtualenv",
        "bower_components",
        "htmlcov",
        "staticfiles",
    }
)
"""directories that are not the project's own code; hidden ones are skipped too"""
_INSTALLED = frozenset({"site-packages", "dist-packages"})
"""directories that hold nothing but packages: whoever names one wants them"""
_ENVIRONMENTS = ("pyvenv.cfg", "conda-meta")
"""what only an environment of Python has in it: venv's, conda's"""
_TESTS = frozenset({"tests", "test", "testing", "testproject"})


def files(paths: Iterable[Path], *, tests: bool = False) -> list[Path]:
    """The files below these paths, each once, in order. A file named itself is always read.

    Tests are left out unless asked for: they run against a database of their own. Raises InputError
    for a path that does not exist.
    """
    chosen: dict[Path, None] = {}
    for path in paths:
        if not path.exists():
            raise InputError(f"{path}: there is no such file or directory to audit")
        if path.is_file():
            chosen[path] = None
        else:
            chosen.update(dict.fromkeys(sorted(_below(path, tests=tests))))
    return list(chosen)


def package_paths(names: Iterable[str]) -> list[Path]:
    """Directories of installed packages by the names of their modules; only those that pip put
    there.

    A namespace (PEP 420) is many people's: of `acme.shop.apps` it is the first part below that is a
    package.
    """
    places = [Path(sysconfig.get_path(kind)).resolve() for kind in ("purelib", "platlib")]
    directories: dict[Path, None] = {}
    for name in names:
        for place in _package(name):
            if any(Path(place).resolve().is_relative_to(directory) for directory in places):
                directories[Path(place)] = None
    return list(directories)


def _package(name: str) -> Iterable[str]:
    """Directories of the first regular package on the way to a dotted name; all of a namespace that
    ends there."""
    import importlib.util

    parts = name.split(".")
    for count in range(1, len(parts) + 1):
        spec = importlib.util.find_spec(".".join(parts[:count]))
        if spec is None:
            return ()
        if spec.origin is not None or count == len(parts):
            return spec.submodule_search_locations or ()
    return ()


def _installed(root: Path, directory: Path, names: list[str]) -> set[str]:
    """What pip has put into a directory, as with `--target`, by its own records beside it (PEP
    376)."""
    if directory == root and root.name in _INSTALLED:
        return set()
    entries: set[str] = set()
    for name in names:
        with suppress(OSError, UnicodeDecodeError):
            if name.endswith(".dist-info") and (directory / name / "INSTALLER").exists():
                lines = (directory / name / "RECORD").read_text().splitlines()
                entries |= {line.partition(",")[0].partition("/")[0].strip('"') for line in lines}
    return entries


def _below(root: Path, *, tests: bool) -> Iterator[Path]:
    for directory, names, entries in os.walk(root):
        installed = _installed(root, Path(directory), names)
        names[:] = [
            name
            for name in names
            if name not in _SKIPPED | installed
            and not name.startswith(".")
            and (tests or name not in _TESTS)
            and not any(
                Path(directory, name, environment).exists() for environment in _ENVIRONMENTS
            )
            and Path(directory, name).resolve() != OWN
        ]
        candidates = (
            entry for entry in entries if entry not in installed and Path(entry).suffix in SUFFIXES
        )
        read = (entry for entry in candidates if tests or not _is_test(entry))
        yield from (Path(directory, entry) for entry in read)


def _is_test(name: str) -> bool:
    return (
        name.startswith("test_") or name in ("tests.py", "conftest.py") or name.endswith("_test.py")
    )
