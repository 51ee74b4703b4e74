"""What an inventory says of the project that a host serves."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pgstack.errors import InputError

DEMO = {
    "source": "",
    "version": "HEAD",
    "directory": ".",
    "requirements": "",
    "packages": [],
    "commands": [["seed"]],
    "build": [],
    "environment": {},
    "secrets": {},
    "credentials": {},
    "secret_files": {},
}
VARIABLE = re.compile("[A-Za-z_][A-Za-z0-9_]*")
OTHER = {**DEMO, "commands": []}
"""what is not said of another project"""


def of_inputs(inputs: dict[str, Any], workspace: str) -> dict[str, Any]:
    """What is said of the project, with the defaults; `workspace` is where it may be fetched to.

    Raises InputError for what cannot be.
    """
    given = inputs.get("project") or {}
    defaults = OTHER if given.get("source") else DEMO
    unknown = set(given) - set(defaults)
    if unknown:
        raise InputError(
            f"stack_inputs.project: {min(unknown)}: unknown. There are {', '.join(defaults)}."
        )
    if not given.get("source") and given.keys() & {"directory", "version", "requirements"}:
        raise InputError(
            "stack_inputs.project: source is missing. Name a directory, an archive or a Git URL."
        )
    project = {**defaults, **given}
    for name in ("commands", "build"):
        _require_words(name, project[name])
    twice = set(project["environment"]) & set(project["secrets"])
    if twice:
        raise InputError(
            f"stack_inputs.project: {min(twice)}: in environment and in secrets. Name it once."
        )
    if {"/", ".."} & set(Path(project["directory"]).parts):
        raise InputError(
            f"stack_inputs.project.directory: {project['directory']}: not below the source."
        )
    shown = re.sub(r"//[^/@]*@", "//", project["source"])  # without a password or token
    return {**project, "kind": _kind(project["source"]), "shown": shown, "workspace": workspace}


def _require_words(name: str, commands: Any) -> None:
    """Raise InputError unless it is a list of lists of words."""
    for words in commands if isinstance(commands, list) else [commands]:
        if not (isinstance(words, list) and words and all(isinstance(word, str) for word in words)):
            raise InputError(
                f"stack_inputs.project.{name}: {words!r}: not the words of a command. Write a list "
                "of lists, such as [[npm, ci], [npm, run, build]]."
            )


def _kind(source: str) -> str:
    if not source:
        return "demo"
    if re.match(r"(https?|ssh|git|file)://|[\w.-]+@[\w.-]+:", source):
        return "git"
    path = Path(source).expanduser()
    if path.is_dir():
        return "directory"
    if path.is_file() and path.name.endswith(
        (".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2", ".zip")
    ):
        return "archive"
    raise InputError(
        f"stack_inputs.project.source: {source}: no directory, no archive (.tar.gz, .zip) and no "
        f"Git URL. Name one."
    )


def environment(values: dict[str, Any]) -> str:
    """Lines of an environment file that systemd and a shell read alike. Raises
    InputError."""
    lines = []
    for name, value in values.items():
        text = str(value)
        if VARIABLE.fullmatch(name) is None or "\n" in text:
            raise InputError(f"stack_inputs.project: {name}: not a name and a text of one line.")
        quoted = re.sub(r'(["\\$`])', r"\\\1", text)
        lines.append(f'{name}="{quoted}"\n')
    return "".join(lines)


def credentials(values: dict[str, Any], directory: str) -> list[dict[str, str | bool]]:
    """A file in `directory` for each secret and nothing else there, for the module stack_files.
    Raises InputError."""
    for name in values:
        if VARIABLE.fullmatch(name) is None:
            raise InputError(
                f"stack_inputs.project.credentials: {name}: not the name of a variable."
            )
    files: list[dict[str, str | bool]] = [
        {"dest": f"{directory}/{name}", "content": str(text), "mode": "0400"}
        for name, text in values.items()
    ]
    return [{"dest": directory, "mode": "0700", "only": True}, *files]
