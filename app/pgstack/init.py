"""`python -m pgstack init`: the few lines that bring a project to the stack for good; `--undo`
takes them back.

Nothing needs them: every target lays the same settings over a project that has none of these lines.
With them the project says so itself, and runs on the stack under any WSGI server and any settings
module of its own.
"""

from __future__ import annotations

import argparse
import difflib
import hashlib
import json
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from pgstack.errors import InputError
from pgstack.planning import dependencies, discovery, manifests

MEMORY = ".pgstack-init.json"
"""file in the project that remembers what was written"""
LINES = """
# Where a stack's plan is (STACK_PLAN), what it says takes the place of what is above: databases, names, keys, files.
from pgstack.overlay import integrate  # noqa: E402

integrate(globals())
"""
NOT_INSTALLED = (
    "pgstack runs from a checkout here, so {name} was left alone. Install its wheel and add that: "
    "the name alone could "
    "be anybody's package."
)


@dataclass(frozen=True)
class Edit:
    """Text that goes to the end of a file."""

    path: Path
    before: str
    added: str

    @property
    def after(self) -> str:
        """The text of the file with the addition."""
        return self.before + self.added


def main(words: list[str]) -> None:
    """Parse, show, ask, write. Raises InputError; exits with 1 when the answer is no."""
    parser = argparse.ArgumentParser("python -m pgstack init", description=__doc__)
    parser.add_argument("--settings", help="settings module; unset: what manage.py names")
    parser.add_argument("--undo", action="store_true", help="take back what was written")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    given = parser.parse_args(words)
    directory = Path.cwd()
    if given.undo:
        undo(directory, ask=not given.yes)
        return
    edits = planned(directory, given.settings)
    if not edits:
        print("Nothing to do: the lines are there.")
        return
    _agree([(edit.path, edit.before, edit.after) for edit in edits], directory, ask=not given.yes)
    remembered = _remembered(directory)
    for edit in edits:
        edit.path.write_text(edit.after)
        remembered[str(edit.path.relative_to(directory))] = {
            "added": edit.added,
            "sha256": _digest(edit.after),
        }
    (directory / MEMORY).write_text(json.dumps(remembered, indent=2) + "\n")
    print(f"Written; `python -m pgstack init --undo` takes it back ({MEMORY} remembers).")


def planned(directory: Path, module: str | None) -> list[Edit]:
    """What is missing in this project. Raises InputError when its settings cannot be found."""
    path = _settings_file(directory, module or discovery.settings_module(directory))
    text = path.read_text()
    edits = [] if "from pgstack.overlay import integrate" in text else [Edit(path, text, LINES)]
    return edits + _requirement(directory)


def _settings_file(directory: Path, module: str) -> Path:
    place = directory / module.replace(".", "/")
    for path in (place.with_name(f"{place.name}.py"), place / "__init__.py"):
        if path.is_file():
            return path
    raise InputError(
        f"{module}: there is no {place}.py. Run this where manage.py is, or name the module: "
        f"--settings."
    )


def _requirement(directory: Path) -> list[Edit]:
    path = directory / manifests.PIP_FILES[0]
    text = path.read_text() if path.is_file() else ""
    if dependencies.OURSELVES.search(text):
        return []
    line = _ourselves()
    if line is None:
        print(NOT_INSTALLED.format(name=path.name))
    elif not path.is_file():
        print(f"There is no {path.name}: add {line} to what the project requires.")
    elif "--hash=" in text:
        print(f"{path.name} has hashes: add {line} to what it is compiled from.")
    else:
        return [Edit(path, text, f"{line}\n" if text.endswith("\n") or not text else f"\n{line}\n")]
    return []


def _ourselves() -> str | None:
    """This package as a requirement, from where it was installed (PEP 610); None when it was
    not."""
    try:
        ourselves = metadata.distribution("pgstack")
    except metadata.PackageNotFoundError:
        return None
    direct = ourselves.read_text("direct_url.json")
    if direct is None:
        return f"pgstack=={ourselves.version}"
    origin = json.loads(direct)
    url, archive, repository = origin["url"], origin.get("archive_info", {}), origin.get("vcs_info")
    if repository:
        url = f"{repository['vcs']}+{url}@{repository['commit_id']}"
    elif known := archive.get("hashes", {}).get("sha256"):
        url = f"{url}#sha256={known}"
    return f"pgstack @ {url}"


def undo(directory: Path, *, ask: bool) -> None:
    """Take back what MEMORY remembers. Raises InputError for a file that has changed since, and
    changes nothing."""
    remembered = _remembered(directory)
    if not remembered:
        raise InputError(f"{directory / MEMORY}: there is none, so nothing was written here.")
    changes = []
    for name, change in remembered.items():
        path = directory / name
        text = path.read_text() if path.is_file() else ""
        if _digest(text) != change["sha256"]:
            raise InputError(
                f"{path}: it has changed since. Take the lines out by hand:\n{change['added'].strip()}"
            )
        changes.append((path, text, text.removesuffix(change["added"])))
    _agree(changes, directory, ask=ask)
    for path, _, text in changes:
        path.write_text(text)
    (directory / MEMORY).unlink()
    print("Taken back.")


def _agree(changes: list[tuple[Path, str, str]], directory: Path, *, ask: bool) -> None:
    """Show the difference, and go on only when that is wanted."""
    for path, before, after in changes:
        name = str(path.relative_to(directory))
        sys.stdout.writelines(
            difflib.unified_diff(
                before.splitlines(True), after.splitlines(True), f"a/{name}", f"b/{name}"
            )
        )
    if ask:
        print("Write this? [y/N] ", end="", flush=True)
        if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
            print("Nothing was written.")
            sys.exit(1)


def _remembered(directory: Path) -> dict[str, dict[str, str]]:
    try:
        changes: dict[str, dict[str, str]] = json.loads((directory / MEMORY).read_text())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise InputError(
            f"{directory / MEMORY}: {error}. Delete it; the lines have to be taken out by hand."
        ) from None
    return changes


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
