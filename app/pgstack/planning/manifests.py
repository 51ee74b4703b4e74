"""The files in which a project says what it needs, each as lines that pip reads. Standard library
only.

pip's own files are read by `pgstack.planning.dependencies`, with what they include; here are the
others: pyproject.toml (PEP 621 and Poetry), Pipfile, Pipfile.lock and setup.cfg. A file that says
it in a way that pip has no line for raises ManifestError.
"""

from __future__ import annotations

import configparser
import json
import re
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

PIP_FILES = ("requirements.txt", "requirements/production.txt", "requirements/prod.txt")
"""where pip's lines are usually found, best first"""
BASE_FILES = ("requirements/base.txt", "requirements/common.txt")
"""what the others include: only where there is nothing else"""
UNREAD = {"uv.lock": "uv export --no-dev", "poetry.lock": "poetry export", "setup.py": "pip freeze"}
"""files that are not read, and what writes a requirements.txt of them"""
LOCKS = ("uv.lock", "poetry.lock", "pdm.lock")
"""whose versions bind what the manifest beside them names"""
PATCH = 99
"""stands for whichever patch release of a Python the distribution has"""

_VERSION = re.compile(r"\d+(?:\.\d+)*")
_BOUND = re.compile(r"(===|==|>=|<=|!=|~=|>|<)?\s*([0-9][0-9.]*)(\.\*)?")


class ManifestError(ValueError):
    """What a file says that pip has no line for, and the remedy."""


def pyproject(text: str) -> list[str]:
    """Lines of `[project]`, or of Poetry's own table where that has none."""
    document = tomllib.loads(text)
    project, poetry = document.get("project", {}), document.get("tool", {}).get("poetry", {})
    if "dependencies" in project or not poetry:
        return list(project.get("dependencies", []))
    return _table(poetry.get("dependencies", {}), _caret)


def pipfile(text: str) -> list[str]:
    """Requirements, one a line, of a Pipfile's `[packages]`."""
    return _table(tomllib.loads(text).get("packages", {}), _plain)


def pipfile_lock(text: str) -> list[str]:
    """Requirements with hashes, one a line, of a Pipfile.lock's `default`."""
    return [
        _line(name, said, _plain)
        + "".join(f" --hash={digest}" for digest in said.get("hashes", []) if "git" not in said)
        for name, said in json.loads(text).get("default", {}).items()
    ]


def setup_cfg(text: str) -> list[str]:
    """Requirements, one a line, of a setup.cfg's `install_requires`."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(text)
    lines = parser.get("options", "install_requires", fallback="").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]


READERS: dict[str, Callable[[str], list[str]]] = {
    "pyproject.toml": pyproject,
    "Pipfile.lock": pipfile_lock,
    "Pipfile": pipfile,
    "setup.cfg": setup_cfg,
}


def locked(text: str) -> list[str]:
    """Versions that uv, Poetry or PDM have locked, as constraints. One that is there twice depends
    on a marker."""
    packages = [
        (package["name"], package["version"])
        for package in tomllib.loads(text).get("package", [])
        if _of_a_registry(package)
    ]
    names = [name for name, _ in packages]
    return [f"{name}=={version}" for name, version in packages if names.count(name) == 1]


def _of_a_registry(package: dict[str, Any]) -> bool:
    source = package.get("source", {"registry": ""})
    elsewhere = {"git", "path", "url"} & set(package)
    return (
        "version" in package
        and not elsewhere
        and ("registry" in source or source.get("type") == "legacy")
    )


def usual(project: Path) -> str:
    """The file in which the project says what it needs; empty when there is none.

    Tools keep their settings in pyproject.toml and setup.cfg too: these count where they name a
    requirement. Raises ManifestError, OSError, ValueError for one that cannot be read.
    """
    for name in (*PIP_FILES, *READERS, *BASE_FILES):
        path = project / name
        if path.is_file() and (name not in READERS or READERS[name](path.read_text())):
            return name
    return ""


def unread(project: Path) -> list[str]:
    """Files that say what the project needs and are not read, each with the command that makes one
    that is."""
    there = ((name, command) for name, command in UNREAD.items() if (project / name).exists())
    hints = [f"{name} (`{command} > requirements.txt`)" for name, command in there]
    path = project / "pyproject.toml"
    groups = tomllib.loads(path.read_text()).get("dependency-groups", {}) if path.is_file() else {}
    hints += [
        f"[dependency-groups] {name} (`uv export --only-group {name} > requirements.txt`)"
        for name in groups
    ]
    return hints


def requires_python(project: Path) -> str:
    """What the project says of Python's version, as pip writes it; empty when it says nothing."""
    path = project / "pyproject.toml"
    if not path.is_file():
        return ""
    document = tomllib.loads(path.read_text())
    own, poetry = document.get("project", {}), document.get("tool", {}).get("poetry", {})
    said = own.get("requires-python") or _caret(
        str(poetry.get("dependencies", {}).get("python", ""))
    )
    return str(said)


def allows(said: str, python: str) -> bool:
    """Whether `said`, as `>=3.11,<4`, holds for a Python such as `3.13`. What is not understood
    holds."""
    have = (*map(int, python.split(".")), PATCH)[:3]
    return all(_holds(part, have) for part in said.split(",") if part.strip())


def _holds(part: str, have: tuple[int, ...]) -> bool:
    match = _BOUND.fullmatch(part.strip())
    if match is None:
        return True
    sign, numbers = match[1] or "==", tuple(map(int, match[2].rstrip(".").split(".")))
    cut = have[: len(numbers)] if len(numbers) < len(have) or match[3] else have
    return {
        "==": cut == numbers,
        "===": cut == numbers,
        "!=": cut != numbers,
        ">=": have >= numbers,
        "<=": cut <= numbers,
        ">": cut > numbers,
        "<": have < numbers,
        "~=": have >= numbers and have[: len(numbers) - 1] == numbers[:-1],
    }[sign]


def _table(table: dict[str, Any], convert: Callable[[str], str]) -> list[str]:
    """Lines of a table of name → version, or → what else there is to say."""
    lines: list[str] = []
    for name, said in table.items():
        if name.lower() != "python":
            lines += (
                _line(name, value, convert)
                for value in (said if isinstance(said, list) else [said])
            )
    return [line for line in lines if line]


def _line(name: str, said: Any, convert: Callable[[str], str]) -> str:
    if not isinstance(said, dict):
        return f"{name}{convert(str(said))}"
    if said.get("optional"):
        return ""
    line = f"{_name(name, said)}{_source(name, said) or convert(str(said.get('version', '*')))}"
    marks = [str(said["markers"])] if "markers" in said else []
    if "python" in said:
        bounds = [_BOUND.fullmatch(part.strip()) for part in _caret(str(said["python"])).split(",")]
        marks += [
            f'python_version {bound[1]} "{bound[2]}"' for bound in bounds if bound and bound[1]
        ]
    return f"{line} ; {' and '.join(marks)}" if marks else line


def _name(name: str, said: dict[str, Any]) -> str:
    return f"{name}[{','.join(said['extras'])}]" if said.get("extras") else name


def _source(name: str, said: dict[str, Any]) -> str:
    if "git" in said:
        revision = said.get("rev") or said.get("tag") or said.get("branch") or said.get("ref") or ""
        return f" @ git+{said['git']}" + (f"@{revision}" if revision else "")
    if "url" in said:
        return f" @ {said['url']}"
    if "path" in said or "file" in said:
        raise ManifestError(f"{name} is a path there; write a requirements.txt that names it")
    return ""


def _plain(said: str) -> str:
    """A version of Pipfile's."""
    return "" if said.strip() in ("*", "") else said.strip()


def _caret(said: str) -> str:
    """A constraint of Poetry's as pip writes it: `^1.2` → `>=1.2,<2`, `~1.2` → `>=1.2,<1.3`."""
    if "|" in said:
        raise ManifestError(
            f"{said!r} is one of two ranges, which pip does not know; write a requirements.txt"
        )
    return ",".join(filter(None, (_pep440(part.strip()) for part in said.split(","))))


def _pep440(part: str) -> str:
    if part in ("", "*"):
        return ""
    numbers = (
        [int(number) for number in _VERSION.findall(part)[0].split(".")]
        if _VERSION.search(part)
        else []
    )
    if part[0] == "^" and numbers:
        kept = next((at for at, number in enumerate(numbers) if number), len(numbers) - 1)
        return f">={part[1:].strip()},<{_next(numbers[: kept + 1])}"
    if part[0] == "~" and not part.startswith("~=") and numbers:
        return f">={part[1:].strip()},<{_next(numbers[:2])}"
    return f"=={part}" if part[0].isdigit() else part


def _next(numbers: Iterable[int]) -> str:
    *before, last = numbers
    return ".".join(map(str, (*before, last + 1)))
