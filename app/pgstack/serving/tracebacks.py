"""What a traceback says in one message: the reason, what caused it, and the project's own last line
in it.

Standard library only. Most of a traceback is Django's; the line that somebody can mend is the
project's.
"""

from __future__ import annotations

import re
from pathlib import Path

BEGINS = "Traceback (most recent call last):"
CAUSED = "The above exception was the direct cause of the following exception:"
FRAME = re.compile(r'^  File "([^"]+)", line (\d+)', re.MULTILINE)
MODULE = re.compile(r"^(?:\w+\.)+(?=[A-Z]\w*(?::|$))", re.MULTILINE)
"""before the name of an exception"""
NO_EXTENSION = re.compile(
    r"permission denied to create extension|extension \"\S+\" is not available"
    r"|Could not find the GDAL library|type \"(geometry|geography|vector)\" does not exist"
)
"""what PostgreSQL and Django say where an extension, or a library that goes with it, is missing"""
NAME_IT = "STACK_EXTENSIONS brings extensions and their packages, docs/extensions.md"
LENGTH = 800
"""characters of the reason"""


def reason(output: str, project: str | Path) -> str:
    """What a program's output ends with; where that is a traceback, without its frames but the
    project's last."""
    remedy = f"; {NAME_IT}" if NO_EXTENSION.search(output) else ""
    if BEGINS not in output:
        return output[-LENGTH:].strip().rstrip(".") + remedy
    told = _ending(output)
    cause = _ending(output.partition(CAUSED)[0]) if CAUSED in output else ""
    if cause and cause.partition(": ")[2] not in told:
        told += f", caused by {cause}"
    line = last_line(output, project)
    return told[-LENGTH:].strip().rstrip(".") + (f" ({line})" if line else "") + remedy


def _ending(text: str) -> str:
    """What follows the last frame."""
    lines = text.strip().splitlines()
    last = max(
        number for number, line in enumerate(lines) if line.startswith("  ") or line == BEGINS
    )
    return MODULE.sub("", "\n".join(lines[last + 1 :]).strip())


def last_line(output: str, project: str | Path) -> str:
    """`shop/settings.py, line 7`: the project's last frame; empty where there is none."""
    frames = [
        (Path(file), line) for file, line in FRAME.findall(output) if "/site-packages/" not in file
    ]
    own = [
        (file.relative_to(project), line) for file, line in frames if file.is_relative_to(project)
    ]
    return f"{own[-1][0]}, line {own[-1][1]}" if own else ""
