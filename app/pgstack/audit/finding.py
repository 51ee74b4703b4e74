"""What the audit says."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from pgstack.hazards import CATALOGUE, Severity


@dataclass(frozen=True, order=True)
class Finding:
    """A hazard at a place."""

    path: str
    """relative to where the audit began, where it lies below that"""
    line: int
    """from 1; 0 for a file as a whole"""
    hazard: str
    seen: str
    """what shows it: a statement, a call, a setting"""
    source: str = ""
    """the line"""
    in_migration: bool = False
    """harmless where migrations have an alias that goes straight to PostgreSQL"""

    @property
    def severity(self) -> Severity:
        """How bad the hazard is, from the catalogue."""
        return CATALOGUE[self.hazard].severity

    @property
    def fingerprint(self) -> str:
        """The same for the same code when it moves within its file; for baselines and SARIF."""
        text = "\0".join((self.path, self.hazard, " ".join(self.source.split()), self.seen))
        return hashlib.sha256(text.encode()).hexdigest()[:20]


@dataclass(frozen=True, order=True)
class Problem:
    """What the audit could not do, or what is wrong with a comment that accepts findings."""

    path: str
    line: int
    text: str
    severity: Severity = "warning"


@dataclass(frozen=True)
class Report:
    """The outcome of an audit."""

    findings: list[Finding]
    problems: list[Problem]
    accepted: list[tuple[Finding, str]]
    """with the reasons given"""
    files: int
    known: int = 0
    """findings left out because the baseline has them"""
