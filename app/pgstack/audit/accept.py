"""Comments that accept a finding: `# stack: allow H012 reason`, on its line or the line above."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterable
from dataclasses import dataclass

from pgstack.audit.finding import Finding, Problem
from pgstack.hazards import CATALOGUE

_COMMENT = re.compile(
    r"(?:#|--|;)\s*stack:\s*allow\b[ \t]*(?P<ids>[A-Za-z]\d+(?:\s*,\s*[A-Za-z]\d+)*)?[ "
    r"\t]*(?P<reason>[^\n]*)"
)


@dataclass(frozen=True)
class Allowance:
    """A comment that accepts some hazards."""

    line: int
    hazards: tuple[str, ...]
    reason: str
    on_own_line: bool
    """nothing else is on its line, so it applies to the next line that is not a comment"""


def allowances(text: str, *, is_python: bool) -> list[Allowance]:
    """The comments of a file; of Python real comments only, not strings that speak of them."""
    if "stack:" not in text:
        return []
    lines = text.splitlines()
    places = _comments(text) if is_python else [(number, 0) for number in range(1, len(lines) + 1)]
    accepted = []
    for number, column in places:
        comment = _COMMENT.search(lines[number - 1], column)
        if comment is not None:
            hazards = tuple(
                word.strip().upper() for word in (comment["ids"] or "").split(",") if word.strip()
            )
            on_own_line = not lines[number - 1][: comment.start()].strip()
            accepted.append(Allowance(number, hazards, comment["reason"].strip(), on_own_line))
    return accepted


def apply(
    findings: Iterable[Finding], text: str, path: str
) -> tuple[list[Finding], list[tuple[Finding, str]], list[Problem]]:
    """What is left of a file's findings, what is accepted with its reason, and what is wrong with
    the comments."""
    comments = allowances(text, is_python=path.endswith(".py"))
    lines = text.splitlines()
    left, accepted, used = [], [], set()
    for finding in findings:
        comment = next(
            (
                allowance
                for allowance in comments
                if allowance.reason and _speaks_of(allowance, finding, lines)
            ),
            None,
        )
        if comment is None:
            left.append(finding)
        else:
            used.add((comment.line, finding.hazard))
            accepted.append((finding, comment.reason))
    problems = [
        Problem(path, allowance.line, wrong)
        for allowance in comments
        for wrong in _wrong(allowance, used)
    ]
    return left, accepted, problems


def _comments(text: str) -> list[tuple[int, int]]:
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    except (tokenize.TokenError, SyntaxError):  # which the reader has reported
        return []
    return [token.start for token in tokens if token.type == tokenize.COMMENT]


def _speaks_of(comment: Allowance, finding: Finding, lines: list[str]) -> bool:
    if finding.hazard not in comment.hazards:
        return False
    if not comment.on_own_line:
        return comment.line == finding.line
    between = lines[comment.line : finding.line - 1]
    return comment.line < finding.line and all(
        line.lstrip().startswith(("#", "--", ";")) for line in between
    )


def _wrong(comment: Allowance, used: set[tuple[int, str]]) -> list[str]:
    if not comment.hazards:
        return ["accepts nothing: write `stack: allow H012 reason`"]
    unknown = [hazard for hazard in comment.hazards if hazard not in CATALOGUE]
    wrong = [f"accepts {hazard}, which is not a hazard" for hazard in unknown]
    if not comment.reason:
        return [
            *wrong,
            f"accepts {', '.join(comment.hazards)} without a reason: write it after the number",
        ]
    unused = [
        hazard
        for hazard in comment.hazards
        if hazard in CATALOGUE and (comment.line, hazard) not in used
    ]
    return wrong + [
        f"accepts {hazard}, which is not found there: delete the comment" for hazard in unused
    ]
