"""The virtual environment of a project: what the stack needs, then what the project says that it
needs.

    python3 -m pgstack.planning.dependencies install ENVIRONMENT OURS PROJECT [THEIRS]
    python3 -m pgstack.planning.dependencies collect DIRECTORY PROJECT [THEIRS]

Standard library only: it runs before anything is installed, on all three targets. Ours is
hash-checked; pip checks theirs where it has hashes. Theirs comes second, so where a project pins
something else, its version wins.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from pgstack.planning import manifests

PYTHON = "/usr/bin/python3"
"""the one that mod_wsgi is built with"""
INCLUDES = re.compile(r"^\s*(?:-r|-c|--requirement|--constraint)[\s=]*(\S+)", re.MULTILINE)
OURSELVES = re.compile(r"(?im)^\s*pgstack\s*(?:[=<>~!\[;@#].*)?$\n?")
"""a line for this package: every target brings it along"""
ALL = "all.txt"
"""names the collected file, so that who installs need not know its name"""
COMPLETE = "complete"
"""file in a virtual environment that is"""
COMMENT = re.compile(r"(?m)(?:^|\s)#.*$")
NAMED = re.compile(r"[A-Za-z0-9][\w.-]*\s*(?:\[[^\]]*\])?\s*(?:[=<>!~;].*)?")
"""a requirement that an index has, as pip writes it"""
FILE = re.compile(r"[\w.-]+\.(?:whl|zip|tar|tgz|tbz|txz|tlz|gz|bz2|xz|lzma)\b.*")
"""one that looks like it and is a file to pip"""
PLACES = ("-e", "--editable", "-f", "--find-links")
"""options that name a place whose contents may change while the line stays"""


BEGUN = re.compile(r"^(?:Collecting|Processing|Obtaining) (\S+)", re.MULTILINE)
BUILD = "error: subprocess-exited-with-error"
FAILED = re.compile(r"Failed (?:to build|building wheel for) (?!installable )'?([\w.-]+)")
OUTPUT = re.compile(r"\[\d+ lines? of output\]\n(.*?)\[end of output\]", re.DOTALL)
"""how pip tells of a package that it takes up, and of one that would not build"""
LINES = 5
"""of what was said"""


class DependencyError(Exception):
    """What failed, why, what to do."""


def usual(project: Path) -> str:
    """The file in which the project says what it needs; empty when there is none.

    Raises DependencyError for one that cannot be read, and where there are only files that are not.
    """
    try:
        name, others = manifests.usual(project), manifests.unread(project)
    except (OSError, ValueError) as error:
        raise DependencyError(
            f"{project}: {error}. The project's requirements come from it; fix it."
        ) from None
    if not name and others:
        raise DependencyError(
            f"{project}: its requirements are in {', '.join(others)}, which the stack does not "
            f"read. Write a "
            "requirements.txt with that command, or name a file by STACK_REQUIREMENTS."
        )
    return name


def require_python(project: Path, python: str) -> None:
    """Raise DependencyError where the project is not for this Python, `3.11` say."""
    try:
        said = manifests.requires_python(project)
    except (OSError, ValueError):  # whoever needs the file says so
        return
    if said and not manifests.allows(said, python):
        raise DependencyError(
            f"{project}/pyproject.toml: requires-python is {said!r}, and mod_wsgi of this Debian "
            f"runs Python {python}. "
            "Use another Debian release, or a version of the project that is for this Python."
        )


def texts(project: Path, named: str) -> dict[str, str]:
    """The files that `named` consists of, by their path in the project: with those that it
    includes.

    Manifests of other tools become files for pip (pgstack.planning.manifests). Raises
    DependencyError for a file that is not there.
    """
    files: dict[str, str] = {}
    waiting = [named] if named else []
    while waiting:
        name = os.path.normpath(waiting.pop())
        if name in files:
            continue
        text = _text(project, name)
        files[name] = text
        waiting += [os.path.join(os.path.dirname(name), other) for other in INCLUDES.findall(text)]  # noqa: PTH118, PTH120
    return files


def _text(project: Path, name: str) -> str:
    try:
        text = (project / name).read_text()
        if Path(name).name in manifests.LOCKS:
            text = "".join(f"{line}\n" for line in manifests.locked(text))
        elif (reader := manifests.READERS.get(Path(name).name)) is not None:
            lines = reader(text)
            locks = (
                [lock for lock in manifests.LOCKS if (project / name).with_name(lock).is_file()]
                if lines
                else []
            )
            text = "".join(f"{line}\n" for line in [*lines, *(f"-c {lock}" for lock in locks)])
    except (OSError, ValueError) as error:
        raise DependencyError(
            f"{project / name}: {error}. The project's requirements come from it; fix it."
        ) from None
    return OURSELVES.sub("", text)


def digest(ours: Path, theirs: dict[str, str]) -> str:
    """What changes when what is installed would."""
    return hashlib.sha256(repr((ours.read_text(), sorted(theirs.items()))).encode()).hexdigest()[
        :12
    ]


def from_index(texts: dict[str, str]) -> bool:
    """Whether all that these files name comes from a package index under its name: then they alone
    decide what is installed, and no directory, archive, address or repository beside them does."""
    lines = (
        line.strip()
        for text in texts.values()
        for line in COMMENT.sub("", text.replace("\\\n", " ")).splitlines()
    )
    return all(
        not line.startswith(PLACES)
        if line.startswith("-")
        else NAMED.fullmatch(line) and not FILE.fullmatch(line)
        for line in lines
        if line
    )


def collect(directory: Path, project: Path, named: str) -> Path:
    """Copy what `named` consists of below `directory`; returns the file to hand to pip. Raises
    DependencyError."""
    for name, text in texts(project, named).items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    directory.mkdir(parents=True, exist_ok=True)
    entry = directory / ALL
    entry.write_text(f"-r {named}\n" if named else "")
    return entry


def install(environment: Path, ours: Path, project: Path, named: str) -> None:
    """Make the virtual environment, unless it is complete. Raises DependencyError with the package
    that would not install, and why."""
    require_python(project, f"{sys.version_info.major}.{sys.version_info.minor}")
    if (environment / COMPLETE).exists():
        return
    # Alone: a module of the project would take the place of one of Python's.
    _run([PYTHON, "-I", "-m", "venv", str(environment)], project)
    pip = [str(environment / "bin/pip"), "install", "--disable-pip-version-check"]
    _run([*pip, "--require-hashes", "--requirement", str(ours)], project)
    if named:
        with tempfile.TemporaryDirectory() as scratch:
            # Paths in requirements count from the current directory.
            _run([*pip, "--requirement", str(collect(Path(scratch), project, named))], project)


def _run(command: list[str], directory: Path) -> None:
    done = subprocess.run(
        command,
        cwd=directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise DependencyError(
            f"{' '.join(command[:3])} failed: {reason(done.stdout)}\n"
            "Fix the requirements, or try again."
        )


def reason(output: str) -> str:
    """The package that would not build with what its build said last, else pip's own errors.

    pip ends with general advice, and names a package whose metadata cannot be made only where it
    began with it.
    """
    begun, failed = BEGUN.findall(output.partition(BUILD)[0]), FAILED.findall(output)
    blocks = OUTPUT.findall(output)
    if not blocks or not (begun or failed):
        lines = [
            line
            for line in output.splitlines()
            if line.startswith(("ERROR", "error", "THESE PACKAGES"))
        ]
        return "\n".join(lines[-LINES:] or output.strip().splitlines()[-LINES:])
    said = [line.strip() for line in blocks[-1].splitlines() if line.strip()]
    return "\n".join([f"{(failed or begun)[-1]} would not build:", *said[-LINES:]])


def main() -> None:
    """Exit 2 with the reason when it cannot be done."""
    what, *words = sys.argv[1:]
    try:
        if what == "collect":
            directory, project, named = Path(words[0]), Path(words[1]), "".join(words[2:3])
            collect(directory, project, named or usual(project))
        else:
            environment, ours, project, named = *map(Path, words[:3]), "".join(words[3:4])
            install(environment, ours, project, named or usual(project))
    except DependencyError as error:
        print(error, file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
