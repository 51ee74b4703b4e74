"""What a hazard is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "notice"]
"""error: wrong rows, or a request that fails; warning: under some conditions; notice: worth
knowing"""
Detector = Literal["audit", "guard", "check", "verify"]
"""`stack_audit`; the guard in `pgstack.db`, which sees the statements; Django's system checks;
`stack_verify`"""


@dataclass(frozen=True)
class Hazard:
    """Something that works on a connection of one's own and breaks behind a transaction pooler."""

    id: str
    title: str
    breaks: str
    """what happens in transaction mode"""
    fix: str
    before: str
    """a short example that breaks"""
    after: str
    """the same, safe"""
    severity: Severity
    detected_by: frozenset[Detector] = frozenset()
    check: str | None = None
    """id of the Django system check that reports it"""


def by(*detectors: Detector) -> frozenset[Detector]:
    """A set of detectors, as a hazard names those that find it."""
    return frozenset(detectors)
