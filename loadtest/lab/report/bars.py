"""Plots with one line for each strategy: rates, ratios, CPU time."""

from __future__ import annotations

from collections.abc import Sequence

from loadtest.lab.analysis import Analysis
from loadtest.lab.costs import COMPONENTS
from loadtest.lab.intervals import Estimate
from loadtest.lab.report import axes, curves, svg, words
from loadtest.lab.report.axes import Scale
from loadtest.lab.report.words import shown_label
from loadtest.lab.summary import Row

WIDTH, LEFT, RIGHT = 590.0, 224.0, 66.0
LINE, BAR, TOP, BOTTOM = 25.0, 13.0, 6.0, 40.0
VALUES = 118.0
"""room for a ratio with its interval, right of the plot"""


def rates(analysis: Analysis) -> str:
    """Requests/s of each strategy with their intervals."""
    rows = [row for row in analysis.rows if row.rate]
    scale = axes.linear(max(_end(row.rate) for row in rows), LEFT, WIDTH - RIGHT)
    drawn = []
    for at, row in enumerate(rows):
        assert row.rate is not None
        y = TOP + at * LINE
        css = "bar ref" if row.label == analysis.results.reference else "bar"
        title = f"{row.label}: {words.rate(row.rate.value)} requests/s"
        drawn.append(svg.bar(LEFT, y + 6, scale(row.rate.value) - LEFT, BAR, css, title))
        drawn.append(_interval(row.rate, scale, y))
        drawn.append(
            svg.text(scale(_end(row.rate)) + 9, y + 17, words.rate(row.rate.value), "value")
        )
    return _picture(
        "Requests per second", rows, scale, "requests/s", drawn, analysis.results.reference
    )


def ratios(analysis: Analysis) -> str:
    """The ratio of each row on a logarithmic scale, with a line at 1; the twin last."""
    rows = [row for row in (*analysis.rows, analysis.twin) if row and row.ratio]
    ends = [
        end
        for row in rows
        if row.ratio
        for end in (row.ratio.low or row.ratio.value, _end(row.ratio))
    ]
    scale = axes.logarithmic(min(*ends, 0.9), max(*ends, 1.1), LEFT, WIDTH - VALUES)
    looks = curves.looks(analysis)
    drawn = [svg.line(scale(1), TOP, scale(1), TOP + len(rows) * LINE, "one")]
    for at, row in enumerate(rows):
        assert row.ratio is not None
        y = TOP + at * LINE
        look = looks.get(row.label, svg.REFERENCE)
        drawn.append(_interval(row.ratio, scale, y))
        drawn.append(
            svg.marker(
                scale(row.ratio.value), y + 12.5, look, f"{row.label}: {words.ratio(row.ratio)}"
            )
        )
        drawn.append(svg.text(WIDTH, y + 17, words.ratio(row.ratio), "value", "end"))
    return _picture("Ratios with the reference", rows, scale, "ratio, logarithmic", drawn, "")


def cpu(analysis: Analysis) -> str:
    """CPU time per request by component, one on the other."""
    rows = [row for row in analysis.rows if row.cpu]
    scale = axes.linear(max(sum(row.cpu.values()) for row in rows), LEFT, WIDTH - RIGHT)
    drawn = []
    for at, row in enumerate(rows):
        y, done = TOP + at * LINE, 0.0
        for name, shown in COMPONENTS.items():
            part = row.cpu.get(name, 0.0)
            x, width = scale(done), scale(done + part) - scale(done)
            title = f"{row.label}, {shown}: {words.rate(part)} µs"
            drawn.append(svg.bar(x, y + 6, width, BAR, f"bar part-{name}", title) if width else "")
            done += part
        drawn.append(svg.text(scale(done) + 9, y + 17, words.rate(done), "value"))
    reference = analysis.results.reference
    return _picture("CPU time per request", rows, scale, "CPU-µs per request", drawn, reference)


def _end(estimate: Estimate | None) -> float:
    return 0.0 if estimate is None else estimate.high or estimate.value


def _interval(estimate: Estimate, scale: Scale, y: float) -> str:
    if estimate.low is None or estimate.high is None:
        return ""
    return svg.whisker(scale(estimate.low), scale(estimate.high), y + 12.5)


def _picture(
    name: str, rows: Sequence[Row], scale: Scale, unit: str, drawn: Sequence[str], bold: str
) -> str:
    bottom = TOP + len(rows) * LINE
    grid = []
    for tick in scale.ticks(5):
        grid.append(svg.line(scale(tick), TOP, scale(tick), bottom, "grid"))
        grid.append(svg.text(scale(tick), bottom + 16, f"{tick:,g}", "tick", "middle"))
    names = []
    for at, row in enumerate(rows):
        css = "name ref" if row.label == bold else "name"
        names.append(svg.text(LEFT - 10, TOP + at * LINE + 17, shown_label(row.label), css, "end"))
    unit_text = svg.text((scale.start + scale.end) / 2, bottom + 33, unit, "unit", "middle")
    return svg.picture(WIDTH, bottom + BOTTOM, name, *grid, *drawn, *names, unit_text)
