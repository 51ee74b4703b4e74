"""What no file under version control may hold: secrets, and places of the machine it was written
on.

And that no test is forgotten.
"""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
SECRETS = {
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    # Not one that is filled in (f-strings, templates) and not an SQL NULL.
    "a password": re.compile(
        r"""(?i)\b(password|passwd|secret|token)["']?\s*[:=]\s*["'][^"'{}$<>\s]{6,}["']"""
    ),
    "a login in an address": re.compile(r"\w+://[^\s/:@{}$]+:[^\s/:@{}$]{6,}@\w"),
}
AN_ADDRESS = re.compile(r"https?://|--(extra-)?index-url|--find-links|--trusted-host")


def tracked() -> dict[str, str]:
    """Text of each file under version control, by its path."""
    if shutil.which("git") is None or not (CHECKOUT / ".git").exists():
        pytest.skip("this is no git checkout; clone the repository to check what it holds")
    command = ["git", "-c", f"safe.directory={CHECKOUT}", "ls-files", "-z"]
    names = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout
    paths = [path for path in names.split("\0") if path and (CHECKOUT / path).is_file()]
    assert len(paths) > 100
    return {path: (CHECKOUT / path).read_text(errors="replace") for path in paths}


def test_no_file_holds_a_secret() -> None:
    secrets = [
        f"{path}: {what}: {hit.group()}"
        for path, text in tracked().items()
        for what, pattern in SECRETS.items()
        for hit in pattern.finditer(text)
    ]
    assert secrets == []


def test_no_file_names_the_directory_it_was_written_in() -> None:
    assert [path for path, text in tracked().items() if str(CHECKOUT) in text] == []


def test_requirements_come_from_wherever_the_machine_gets_its_packages() -> None:
    files = {
        path: text
        for path, text in tracked().items()
        if re.fullmatch(r"requirements/.*\.(in|txt)", path)
    }
    assert {"requirements/run.txt", "requirements/dev.txt"} <= set(files)
    assert [path for path, text in files.items() if AN_ADDRESS.search(text)] == []


def test_every_directory_of_tests_is_run() -> None:
    told = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["pytest"][
        "ini_options"
    ]["testpaths"]
    directories = {
        str(path.parent.relative_to(CHECKOUT)) for path in (CHECKOUT / "tests").glob("*/test_*.py")
    }
    assert sorted(told) == sorted(directories)


def test_the_wheel_takes_every_directory_of_templates() -> None:
    """What the wheel then holds is looked at by tests/foreign, which builds one."""
    tools = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]
    wheel = tools["hatch"]["build"]["targets"]["wheel"]
    rendered = {path.parent.name for path in CHECKOUT.glob("*/*.j2")}
    assert {path.split("/")[0] for path in wheel["include"]} - {"app"} == rendered
    assert set(wheel["sources"]) - {"app/pgstack"} == rendered


def test_a_constant_has_one_value() -> None:
    """Two of a name in one module: whoever reads the first is given the second."""
    twice = [
        f"{path}: {name}"
        for path, text in tracked().items()
        if path.endswith(".py")
        for name, count in Counter(constants(ast.parse(text))).items()
        if count > 1
    ]
    assert twice == []


def constants(module: ast.Module) -> Iterator[str]:
    """Names that a module gives values to, at its top."""
    for statement in module.body:
        if isinstance(statement, ast.Assign):
            yield from (name.id for name in statement.targets if isinstance(name, ast.Name))


def test_no_two_files_of_tests_have_one_name() -> None:
    """pytest reads only the first of them in a whole run, and each by itself."""
    names = Counter(path.name for path in (CHECKOUT / "tests").glob("*/test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []
