"""A report for people and for programs."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from itertools import groupby
from typing import Any

from rich.console import Console
from rich.markup import escape

from pgstack.audit.finding import Finding, Report
from pgstack.hazards import CATALOGUE, Severity

VERSION = 1
PAGES = "docs/hazards"
_COLOURS: dict[Severity, str] = {"error": "bold red", "warning": "yellow", "notice": "cyan"}


def as_data(report: Report) -> dict[str, Any]:
    """The report as plain lists and dicts, for JSON; VERSION is that of this shape."""
    return {
        "version": VERSION,
        "files": report.files,
        "findings": [_data(finding) for finding in report.findings],
        "accepted": [{**_data(finding), "reason": reason} for finding, reason in report.accepted],
        "problems": [asdict(problem) for problem in report.problems],
        "known": report.known,
    }


def print_report(report: Report, console: Console) -> None:
    """Findings by file with their line, then each hazard once with what it breaks and the fix, then
    counts."""
    for path, group in groupby(report.findings, key=lambda finding: finding.path):
        console.print(f"\n[bold]{escape(path)}[/]")
        for finding in group:
            mark = f"[{_COLOURS[finding.severity]}]{finding.hazard} {finding.severity:<7}[/]"
            console.print(f"  {finding.line:>5}  {mark}  {escape(CATALOGUE[finding.hazard].title)}")
            console.print(
                f"         [dim]{escape(finding.source[:110] or finding.seen)}[/]", soft_wrap=True
            )
    for problem in report.problems:
        colour = _COLOURS[problem.severity]
        console.print(
            f"\n[{colour}]{escape(problem.path)}:{problem.line}[/]  {escape(problem.text)}",
            soft_wrap=True,
        )
    _print_hazards(report.findings, console)
    _print_counts(report, console)


def explanation(identifier: str) -> str | None:
    """A hazard in words, for a terminal; None for an unknown one."""
    hazard = CATALOGUE.get(identifier.upper())
    if hazard is None:
        return None
    before, after = (
        "\n".join(f"    {line}" for line in text.splitlines())
        for text in (hazard.before, hazard.after)
    )
    return (
        f"{hazard.id} {hazard.title}\n\n{hazard.breaks}\n\nFix: "
        f"{hazard.fix}\n\nBefore:\n{before}\n\nAfter:\n{after}"
    )


def _print_hazards(findings: list[Finding], console: Console) -> None:
    for hazard in (CATALOGUE[name] for name in sorted({finding.hazard for finding in findings})):
        mark = f"[{_COLOURS[hazard.severity]}]{hazard.id}[/]"
        console.print(f"\n{mark} [bold]{escape(hazard.title)}[/]  [dim]{PAGES}/{hazard.id}.md[/]")
        console.print(f"  {escape(hazard.breaks)}\n  [green]→ {escape(hazard.fix)}[/]")


def _print_counts(report: Report, console: Console) -> None:
    by_severity = Counter(finding.severity for finding in report.findings)
    counts = [f"{by_severity[colour]} {colour}s" for colour in _COLOURS]
    also = [
        f"{len(report.problems)} problems",
        f"{len(report.accepted)} accepted",
        f"{report.known} in the baseline",
    ]
    console.print(f"\n{report.files} files: {', '.join([*counts, *also])}")


def _data(finding: Finding) -> dict[str, Any]:
    hazard = CATALOGUE[finding.hazard]
    return {
        "hazard": hazard.id,
        "severity": hazard.severity,
        "path": finding.path,
        "line": finding.line,
        "seen": finding.seen,
        "source": finding.source,
        "title": hazard.title,
        "breaks": hazard.breaks,
        "fix": hazard.fix,
        "page": f"{PAGES}/{hazard.id}.md",
        "fingerprint": finding.fingerprint,
    }
