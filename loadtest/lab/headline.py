"""A run in one sentence; what it may claim depends on what it compared."""

from __future__ import annotations

from loadtest.lab.analysis import Analysis, is_slower
from loadtest.lab.costs import DIRECT, OUT_OF_THE_BOX
from loadtest.lab.formats import span, times
from loadtest.lab.model import HERE


def headline(analysis: Analysis) -> str:
    """The run in one sentence; why it claims nothing when its A/A pair failed."""
    if analysis.doubts:
        return f"Nothing is claimed: {'; '.join(analysis.doubts)}."
    kinds = {
        "strategies": _strategies,
        "servers": _servers,
        "pages": _pages,
        "tuning": _tuning,
        "project": _project,
        "against": _against,
    }
    said = kinds.get(analysis.results.suite, _curves)
    return said(analysis) or _best(analysis) or "Nothing was measured."


def _strategies(analysis: Analysis) -> str:
    parts = []
    if (row := analysis.row(OUT_OF_THE_BOX)) and row.ratio:
        parts.append(f"{times(row.ratio.value)}{span(row.ratio)} over reconnecting")
    direct, reference = analysis.row(DIRECT), analysis.row(analysis.results.reference)
    if direct and direct.ratio:
        parts.append(f"{times(direct.ratio.value)} of a direct persistent connection")
        if reference and reference.backends and direct.backends:
            parts.append(f"with {reference.backends} instead of {direct.backends} backends")
    return ", ".join(parts)


def _project(analysis: Analysis) -> str:
    said = _strategies(analysis)
    return f"On your pages: {said}" if said else ""


def _against(analysis: Analysis) -> str:
    row = analysis.row(HERE)
    if not row or not row.ratio:
        return ""
    said = f"This checkout answers {times(row.ratio.value)}{span(row.ratio)} of what "
    verdict = {True: ": it is slower", False: ""}[is_slower(row.ratio)]
    return f"{said}{analysis.results.reference} answers{verdict}"


def _servers(analysis: Analysis) -> str:
    """The reference against each other server, the fastest of them first."""
    others = sorted((row.ratio.value, row.label, row.ratio) for row in analysis.rows if row.ratio)
    parts = [f"{times(value)}{span(ratio)} of {label}" for value, label, ratio in others]
    return f"{analysis.results.reference} answers {', '.join(parts)}" if parts else ""


def _pages(analysis: Analysis) -> str:
    rates = sorted((row.rate.value, row.label) for row in analysis.rows if row.rate)
    if len(rates) < 2:
        return ""
    (least, slow), (most, fast) = rates[0], rates[-1]
    return f"From {least:,.0f} requests/s on {slow} to {most:,.0f} on {fast}"


def _tuning(analysis: Analysis) -> str:
    """The changes whose interval is above 1, the greatest gain first."""
    gains = [
        (row.ratio.value, row.label, row.ratio)
        for row in analysis.rows
        if row.ratio and (row.ratio.low or 0) > 1
    ]
    parts = [
        f"{label} {times(value)}{span(ratio)}"
        for value, label, ratio in sorted(gains, reverse=True)
    ]
    return (
        f"Faster than as planned: {', '.join(parts)}"
        if parts
        else "No change is shown to be faster than the plan"
    )


def _curves(analysis: Analysis) -> str:
    """The reference's best step; that of the best label when the reference has none."""
    points = [
        (ladder.strategy == analysis.results.reference, step.rate, step.users, ladder.strategy)
        for ladder in analysis.ladders
        for step in ladder.steps
        if step.rate
    ]
    if not points:
        return ""
    _, rate, users, label = max(points)
    with_users = f"{users} user{'s' if users > 1 else ''}"
    return f"{label}: at most {rate:,.0f} requests/s on {analysis.results.page}, with {with_users}"


def _best(analysis: Analysis) -> str:
    """For a run without what its suite is about: the highest rate that it saw."""
    rates = [(row.rate.value, row.label) for row in analysis.rows if row.rate]
    if not rates:
        return _curves(analysis)
    rate, label = max(rates)
    return f"{label} answers most: {rate:,.0f} requests/s on {analysis.results.page}"
