"""A file with findings that are known, so that only new ones count."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from pgstack.audit.finding import Finding
from pgstack.errors import InputError

VERSION = 1


def write(findings: Sequence[Finding], path: Path) -> None:
    """Write them. Raises InputError when the file cannot be written."""
    known = [
        {
            "fingerprint": finding.fingerprint,
            "hazard": finding.hazard,
            "path": finding.path,
            "seen": finding.seen,
        }
        for finding in findings
    ]
    try:
        path.write_text(json.dumps({"version": VERSION, "findings": known}, indent=2) + "\n")
    except OSError as error:
        raise InputError(f"the baseline cannot be written: {error}") from error


def without(findings: Sequence[Finding], path: Path) -> list[Finding]:
    """The findings that the baseline does not have. As many as it has of the same are left out.

    Raises InputError for a file that is none.
    """
    left = _known(path)
    new = []
    for finding in findings:
        left[finding.fingerprint] -= 1
        if left[finding.fingerprint] < 0:
            new.append(finding)
    return new


def _known(path: Path) -> Counter[str]:
    try:
        known = json.loads(path.read_text())
        baseline = Counter(str(finding["fingerprint"]) for finding in known["findings"])
        version = known["version"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} is not a baseline ({error}): make one with --write-baseline {path}"
        ) from error
    if version != VERSION:
        raise InputError(
            f"{path} has version {version}, not {VERSION}: write a new one with --write-baseline "
            f"{path}"
        )
    return baseline
