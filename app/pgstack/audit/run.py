"""An audit of many files, in as many processes as there are cores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pgstack.audit import baseline, files, parser, static, workers
from pgstack.audit.finding import Finding, Problem, Report
from pgstack.audit.walk import ITERATORS
from pgstack.hazards import CATALOGUE

SEVERITIES = ("notice", "warning", "error")


@dataclass(frozen=True)
class Settings:
    """What a project's settings say. None: nothing is known of them."""

    findings: tuple[Finding, ...] = ()
    has_direct: bool | None = None
    """there is an alias that goes straight to PostgreSQL, which migrations use"""
    cursors_off: bool | None = None
    """every pooled alias has DISABLE_SERVER_SIDE_CURSORS"""


def audit(
    paths: Sequence[Path],
    root: Path,
    settings: Settings | None = None,
    *,
    known: Path | None = None,
    progress: Callable[[int], object] = lambda _count: None,
) -> Report:
    """Read the files and put together what they show. `progress` is told how many more have been
    read.

    Paths below `root` are named relative to it. `known` is a baseline. Raises StackError for a bad
    baseline and when the parser of SQL is missing.
    """
    parser.require()
    read = partial(files.audit_file, settings_known=settings is not None)
    settings = settings or Settings((), *static.written(paths))
    findings = list(settings.findings)
    said = {
        (finding.path, finding.line, finding.hazard) for finding in findings
    }  # not once more where they are written
    accepted: list[tuple[Finding, str]] = []
    problems: list[Problem] = []
    for left, allowed, wrong in workers.outcomes(
        paths, [shown(path, root) for path in paths], read
    ):
        findings += (
            finding for finding in left if (finding.path, finding.line, finding.hazard) not in said
        )
        accepted += allowed
        problems += wrong
        progress(1)
    findings = [finding for finding in findings if _holds(finding, settings)]
    count = len(findings)
    if known is not None:
        findings = baseline.without(findings, known)
    return Report(
        sorted(findings), sorted(problems), sorted(accepted), len(paths), count - len(findings)
    )


def fails(report: Report, threshold: str) -> bool:
    """Whether the report holds something of that severity or above; `never` for no."""
    if threshold == "never":
        return False
    worst = [CATALOGUE[finding.hazard].severity for finding in report.findings]
    worst += [problem.severity for problem in report.problems]
    return any(SEVERITIES.index(severity) >= SEVERITIES.index(threshold) for severity in worst)


def shown(path: Path, root: Path) -> str:
    """How a finding names the file: below the root, below site-packages, or in full."""
    full = path.resolve()
    if full.is_relative_to(root.resolve()):
        return str(full.relative_to(root.resolve()))
    parts = full.parts
    for holder in ("site-packages", "dist-packages"):
        if holder in parts:
            return "/".join(parts[len(parts) - parts[::-1].index(holder) :])
    return str(full)


def _holds(finding: Finding, settings: Settings) -> bool:
    if settings.cursors_off and finding.hazard in ITERATORS:
        return False
    return not (finding.in_migration and settings.has_direct)
