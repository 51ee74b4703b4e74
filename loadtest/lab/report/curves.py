"""Plots of curves: throughput over users, latency over rate, latency distributions, the scalability
fit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, TypeVar

from loadtest.lab import summary
from loadtest.lab.analysis import Analysis
from loadtest.lab.report import axes, svg, words
from loadtest.lab.report.axes import Scale
from loadtest.lab.report.svg import Look
from loadtest.lab.summary import Ladder, Step

WIDTH, HEIGHT = 560.0, 330.0
LEFT, RIGHT, TOP, BOTTOM = 56.0, 22.0, 26.0, 42.0
FIT_POINTS = 80
Item = TypeVar("Item", Ladder, str)
PERCENTILES = {
    1.0: "0 %",
    10.0: "90 %",
    100.0: "99 %",
    1e3: "99.9 %",
    1e4: "99.99 %",
    1e5: "99.999 %",
}


def looks(analysis: Analysis) -> dict[str, Look]:
    """Of every strategy that was measured, the same in every plot."""
    return svg.looks(summary.labels(analysis.results), analysis.results.reference)


def throughput(analysis: Analysis) -> str:
    """Requests/s over users. A cross is a step with failures: what was answered nevertheless."""
    steps = [step for ladder in analysis.ladders for step in ladder.steps]
    x, y = _users(steps), _up(max(step.rate or step.seen for step in steps))
    styles = looks(analysis)
    drawn = []
    for ladder in _last(analysis.ladders, analysis.results.reference):
        look = styles[ladder.strategy]
        drawn.append(
            svg.polyline(
                [(x(s.users), y(s.rate)) for s in ladder.steps if s.rate is not None], look
            )
        )
        drawn += [_step(step, ladder.strategy, x, y, look) for step in ladder.steps]
    return _frame("Throughput over users", x, y, "users", "requests/s", drawn, _powers(x))


def fitted(analysis: Analysis) -> str:
    """The reference's ladder, the law through it, and its ceiling."""
    ladder = next(
        ladder for ladder in analysis.ladders if ladder.strategy == analysis.results.reference
    )
    assert ladder.fit is not None
    fit, steps = ladder.fit, ladder.steps
    x = _users(steps)
    y = _up(max(*(step.rate or step.seen for step in steps), fit.ceiling or 0.0))
    ratio = x.high / x.low
    users = [x.low * ratio ** (at / FIT_POINTS) for at in range(FIT_POINTS + 1)]
    drawn = [svg.polyline([(x(count), y(fit.at(count))) for count in users], svg.REFERENCE, "fit")]
    if fit.ceiling:
        drawn.append(svg.line(LEFT, y(fit.ceiling), WIDTH - RIGHT, y(fit.ceiling), "ceiling"))
        drawn.append(
            svg.text(LEFT + 8, y(fit.ceiling) - 6, f"ceiling {words.rate(fit.ceiling)}", "value")
        )
    drawn += [_step(step, ladder.strategy, x, y, svg.REFERENCE) for step in steps]
    return _frame("Scalability fit", x, y, "users", "requests/s", drawn, _powers(x))


def latency(analysis: Analysis, percentile: Literal["p50", "p99"]) -> str:
    """Latency over the rate that was offered: from the intended time of sending, and faint from the
    real one."""
    corrected, naive = (
        {
            name: [
                (point.rate, getattr(times, percentile))
                for point in points
                if (times := getattr(point, which)) and not point.void
            ]
            for name, points in analysis.open_loops.items()
        }
        for which in ("corrected", "naive")
    )
    x, y = _spanning(corrected, naive)
    styles = looks(analysis)
    drawn = [
        svg.polyline(_pixels(points, x, y), styles[name], "faint") for name, points in naive.items()
    ]
    for name, points in corrected.items():
        drawn.append(svg.polyline(_pixels(points, x, y), styles[name]))
        drawn += [
            svg.marker(
                x(rate), y(ms), styles[name], f"{name}, {rate:,.0f}/s: {words.milliseconds(ms)} ms"
            )
            for rate, ms in points
        ]
    return _frame(
        f"{percentile} over rate", x, y, "requests/s offered", f"{percentile}, ms", drawn, _round(x)
    )


def distributions(analysis: Analysis) -> str:
    """Latency over percentile, as HdrHistogram's own plotter draws it: each decade of x is another
    nine."""
    curves = {row.label: row.distribution for row in analysis.rows if row.distribution}
    slowest = max(one_in for curve in curves.values() for one_in, _ in curve)
    x = Scale(1.0, max(slowest, 10.0), LEFT, WIDTH - RIGHT, log=True)
    y = _over(ms for curve in curves.values() for _, ms in curve)
    styles = looks(analysis)
    drawn = []
    for name in _last(curves, analysis.results.reference):
        pixels = _pixels(curves[name], x, y)
        drawn.append(svg.polyline(pixels, styles[name]))
        drawn.append(
            svg.marker(*pixels[-1], styles[name], f"{name}: slowest {curves[name][-1][1]:.1f} ms")
        )
    ticks = {value: shown for value, shown in PERCENTILES.items() if value <= x.high}
    return _frame("Latency distribution", x, y, "percentile", "ms", drawn, ticks)


def _step(step: Step, name: str, x: Scale, y: Scale, look: Look) -> str:
    if step.rate is None:
        return svg.cross(
            x(step.users), y(step.seen), look, f"{name}, {step.users} users: {step.errors:,} errors"
        )
    title = f"{name}, {step.users} users: {words.rate(step.rate)}/s"
    return svg.marker(x(step.users), y(step.rate), look, title)


def _last(items: Iterable[Item], reference: str) -> list[Item]:
    """The reference is drawn last: on top."""
    return sorted(
        items, key=lambda item: (item.strategy if isinstance(item, Ladder) else item) == reference
    )


def _users(steps: Sequence[Step]) -> Scale:
    counts = [step.users for step in steps]
    return Scale(min(counts), max(*counts, min(counts) + 1), LEFT + 8, WIDTH - RIGHT - 8, log=True)


def _up(highest: float) -> Scale:
    return axes.linear(highest * 1.04, HEIGHT - BOTTOM, TOP)


def _over(values: Iterable[float]) -> Scale:
    numbers = list(values)
    return axes.logarithmic(min(numbers), max(numbers), HEIGHT - BOTTOM, TOP)


def _spanning(*groups: Mapping[str, Sequence[tuple[float, float]]]) -> tuple[Scale, Scale]:
    points = [point for group in groups for curve in group.values() for point in curve]
    rates = [rate for rate, _ in points]
    x = axes.logarithmic(min(rates), max(rates), LEFT, WIDTH - RIGHT)
    return x, _over(ms for _, ms in points)


def _pixels(points: svg.Points, x: Scale, y: Scale) -> list[tuple[float, float]]:
    return [(x(across), y(up)) for across, up in points]


def _frame(  # noqa: PLR0913, PLR0917 - what a picture consists of
    name: str,
    x: Scale,
    y: Scale,
    x_unit: str,
    y_unit: str,
    drawn: Sequence[str],
    ticks: Mapping[float, str],
) -> str:
    """Axes, grid and units around what is drawn; `ticks` of x with their labels."""
    bottom = HEIGHT - BOTTOM
    grid = []
    for tick, label in ticks.items():
        grid.append(svg.line(x(tick), TOP, x(tick), bottom, "grid"))
        grid.append(svg.text(x(tick), bottom + 17, label, "tick", "middle"))
    for tick in y.ticks():
        grid.append(svg.line(LEFT, y(tick), WIDTH - RIGHT, y(tick), "grid"))
        grid.append(svg.text(LEFT - 8, y(tick) + 4, f"{tick:,g}", "tick", "end"))
    units = (
        svg.text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, x_unit, "unit", "middle"),
        svg.text(2, 10, y_unit, "unit"),
    )
    return svg.picture(WIDTH, HEIGHT, name, *grid, *drawn, *units)


def _powers(x: Scale) -> dict[float, str]:
    return {2.0**power: str(2**power) for power in range(11) if x.low <= 2**power <= x.high}


def _round(x: Scale) -> dict[float, str]:
    return {tick: f"{tick:,g}" for tick in x.ticks(8)}
