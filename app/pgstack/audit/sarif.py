"""A report in SARIF 2.1.0, which code hosts show beside the code."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from pgstack.audit.finding import Finding, Problem, Report
from pgstack.hazards import CATALOGUE, Hazard

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {"error": "error", "warning": "warning", "notice": "note"}


def log(report: Report) -> dict[str, Any]:
    """The report; accepted findings are suppressed results, what could not be read is a
    notification."""
    used = sorted(
        {
            finding.hazard
            for finding in (*report.findings, *(finding for finding, _ in report.accepted))
        }
    )
    results = [_result(finding, used) for finding in report.findings]
    for finding, reason in report.accepted:
        suppression = {"kind": "inSource", "justification": reason}
        results.append({**_result(finding, used), "suppressions": [suppression]})
    driver = {"name": "stack_audit", "rules": [_rule(CATALOGUE[hazard]) for hazard in used]}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {
                "executionSuccessful": True,
                "toolExecutionNotifications": [
                    _notification(problem) for problem in report.problems
                ],
            }
        ],
        "results": results,
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(hazard: Hazard) -> dict[str, Any]:
    return {
        "id": hazard.id,
        "shortDescription": {"text": hazard.title},
        "fullDescription": {"text": hazard.breaks},
        "help": {"text": hazard.fix},
        "defaultConfiguration": {"level": _LEVELS[hazard.severity]},
    }


def _result(finding: Finding, rules: list[str]) -> dict[str, Any]:
    hazard = CATALOGUE[finding.hazard]
    return {
        "ruleId": hazard.id,
        "ruleIndex": rules.index(hazard.id),
        "level": _LEVELS[hazard.severity],
        "message": {"text": f"{finding.seen}: {hazard.breaks} {hazard.fix}"},
        "locations": [_location(finding.path, finding.line)],
        "partialFingerprints": {"stackAudit/v1": finding.fingerprint},
    }


def _notification(problem: Problem) -> dict[str, Any]:
    place = _location(problem.path, problem.line)
    return {
        "level": _LEVELS[problem.severity],
        "message": {"text": problem.text},
        "locations": [place],
    }


def _location(path: str, line: int) -> dict[str, Any]:
    place: dict[str, Any] = {
        "artifactLocation": {"uri": ("file://" if path.startswith("/") else "") + quote(path)}
    }
    if line:
        place["region"] = {"startLine": line}
    return {"physicalLocation": place}
