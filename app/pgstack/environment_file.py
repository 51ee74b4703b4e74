"""Files of variables, `NAME=value` lines, and what a value is. Standard library only: all targets
read them with it.

- The value is what follows the first `=`, as it stands but for blanks around it: `$`, `#`,
  backslashes and quotes within it are its own. Nothing is put in for `$NAME`.
- A value in a pair of 'single' quotes is what is between them; in "double" ones a backslash before
  `n`, `r`, `t`, `"`, `$`, a backtick or itself makes one character of both. Either may go over
  several lines.
- Lines that are blank or begin with `#` say nothing; `export` before a name is left out. The last
  of two lines counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_.]*)\s*=[ \t]*(.*)", re.DOTALL)
_QUOTED = {
    "'": re.compile(r"'([^']*)'\s*", re.DOTALL),
    '"': re.compile(r'"((?:[^"\\]|\\.)*)"\s*', re.DOTALL),
}
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}
_ESCAPED = re.compile(r'\\([nrt\\"$`])')


class LineError(ValueError):
    """Which line, why, and the remedy."""


def parse(text: str) -> dict[str, str]:
    """Name → value. Raises LineError for a line that is none of these."""
    variables = {}
    lines = enumerate(text.removeprefix("\ufeff").splitlines(), start=1)
    for number, line in lines:
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        match = _LINE.fullmatch(stripped)
        if match is None:
            raise LineError(
                f"line {number}: it is not NAME=value. A name has letters, digits and _."
            )
        variables[match[1]] = _value(match[2], number, lines)
    return variables


def _value(text: str, number: int, lines: Iterator[tuple[int, str]]) -> str:
    """What is meant by what follows `=`; takes more lines while a quote is open that a later one
    closes."""
    quote = text[:1]
    if quote not in _QUOTED or (
        len(text) > 1 and quote in text[1:] and _QUOTED[quote].fullmatch(text) is None
    ):
        return text
    while (match := _QUOTED[quote].fullmatch(text)) is None:
        following = next(lines, None)
        if following is None:
            raise LineError(
                f"line {number}: a quote is open and never closed. Close it, or use quotes of the "
                f"other kind."
            )
        text += f"\n{following[1]}"
    return (
        match[1]
        if quote == "'"
        else _ESCAPED.sub(lambda escaped: _ESCAPES.get(escaped[1], escaped[1]), match[1])
    )
