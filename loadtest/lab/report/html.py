"""The report as one page that needs nothing else: no script, no network, plots inside."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from loadtest.lab import formats
from loadtest.lab.analysis import Analysis
from loadtest.lab.costs import COMPONENTS, DIRECT, OUT_OF_THE_BOX, Connect
from loadtest.lab.headline import headline
from loadtest.lab.report import bars, curves, svg, words
from loadtest.lab.summary import Row

HERE = Path(__file__).resolve().parent
GIB = 1 << 30


@dataclass(frozen=True)
class Figure:
    """A plot with its heading, what to look for, and which series it shows."""

    title: str
    caption: str
    picture: Markup
    legend: tuple[tuple[Markup, str], ...] = ()


def page(analysis: Analysis) -> str:
    """The report as one HTML file."""
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    style = Markup((HERE / "report.css").read_text())
    return environment.get_template("report.html.j2").render(style=style, **_values(analysis))


def _values(analysis: Analysis) -> dict[str, Any]:
    results = analysis.results
    return {
        "headline": headline(analysis),
        "doubts": analysis.doubts,
        "tiles": _tiles(analysis) if not analysis.doubts else (),
        "results": results,
        "noun": words.noun(results),
        "compared": " ÷ ".join(words.compared(results)),
        "load": words.load(results) if analysis.rows else "",
        "started": results.started.replace("T", " ")[:16],
        "rows": [_row(analysis, row) for row in analysis.rows],
        "twin": _row(analysis, analysis.twin) if analysis.twin else None,
        "figures": _figures(analysis),
        "goals": [
            (judged, words.measured(judged), words.bound(judged)) for judged in analysis.goals
        ],
        "connects": [_connect(cost) for cost in analysis.connects],
        "fits": _fits(analysis),
        "pages": words.pages(analysis),
        "limits": words.limits(results),
        "validity": words.validity(analysis),
        "failures": words.failures(results),
        "void": [
            (words.shown_label(row.label), number, reason)
            for row in _all(analysis)
            for reason, number in row.void.items()
        ],
        "components": COMPONENTS,
        "columns": ("p50", "p95", "p99", "p99.9", *COMPONENTS.values()),
        "machine": _machine(analysis),
        "repeat": words.repeat(analysis),
    }


def _connect(cost: Connect) -> tuple[str, ...]:
    return (
        cost.strategy,
        f"{cost.connect_ms:.2f}",
        f"{cost.request_ms:.2f}",
        formats.times(cost.predicted),
        words.ratio(cost.measured),
    )


def _all(analysis: Analysis) -> Iterable[Row]:
    return (*analysis.rows, *([analysis.twin] if analysis.twin else []))


def _row(analysis: Analysis, row: Row) -> dict[str, Any]:
    times = row.latency
    latency = (times.p50, times.p95, times.p99, times.p999) if times else (None,) * 4
    return {
        "label": words.shown_label(row.label),
        "what": analysis.results.strategies.get(row.label, ""),
        "reference": row.label == analysis.results.reference,
        "rate": words.rate(row.rate.value if row.rate else None),
        "latency": [words.milliseconds(value) for value in latency],
        "errors": words.count(row.errors),
        "failed": row.errors > 0,
        "backends": words.count(row.backends),
        "cpu": [words.rate(row.cpu.get(name)) for name in COMPONENTS],
        "ratio": words.ratio(row.ratio),
    }


def _tiles(analysis: Analysis) -> list[tuple[str, str, str]]:
    """(figure, what it is, its interval or what it is compared with) for the top of the page."""
    tiles = []
    reference, box, direct = map(analysis.row, (analysis.results.reference, OUT_OF_THE_BOX, DIRECT))
    if box and box.ratio:
        tiles.append(
            (formats.times(box.ratio.value), "over reconnecting", formats.span(box.ratio).strip())
        )
    if direct and direct.ratio:
        shown = formats.span(direct.ratio).strip()
        tiles.append(
            (formats.times(direct.ratio.value), "of a direct persistent connection", shown)
        )
    if reference and reference.backends and direct and direct.backends:
        tiles.append((str(reference.backends), "backends", f"instead of {direct.backends}"))
    if reference and reference.rate:
        tiles.append((words.rate(reference.rate.value), "requests/s", reference.label))
    if reference and reference.latency:
        p99 = f"99 % within {words.milliseconds(reference.latency.p99)} ms"
        tiles.append((f"{words.milliseconds(reference.latency.p50)} ms", "median response", p99))
    return tiles


def _figures(analysis: Analysis) -> list[Figure]:
    figures = [*_bar_figures(analysis), *_curve_figures(analysis)]
    if any(row.distribution for row in analysis.rows):
        figures.append(
            Figure(
                "Latency distribution",
                "All responses of the valid trials in the blocks; each step right is another nine.",
                Markup(curves.distributions(analysis)),
                _legend(analysis, [row.label for row in analysis.rows]),
            )
        )
    return figures


def _bar_figures(analysis: Analysis) -> list[Figure]:
    over, under = words.compared(analysis.results)
    figures = []
    if any(row.rate for row in analysis.rows):
        caption = (
            "Geometric mean over the blocks. The line at the end of a bar spans the 95 % interval."
        )
        figures.append(Figure("Requests per second", caption, Markup(bars.rates(analysis))))
    if any(row.ratio for row in analysis.rows):
        caption = (
            "Requests/s within a block. Right of the line the first is faster; across it no "
            "difference is shown."
        )
        figures.append(Figure(f"{over} ÷ {under}", caption, Markup(bars.ratios(analysis))))
    if any(row.cpu for row in analysis.rows):
        legend = tuple(
            (Markup(f'<i class="swatch part-{name}"></i>'), shown)
            for name, shown in COMPONENTS.items()
        )
        caption = "CPU time that one answered request took, wherever it was spent."
        figures.append(Figure("CPU by component", caption, Markup(bars.cpu(analysis)), legend))
    return figures


def _curve_figures(analysis: Analysis) -> list[Figure]:
    figures = []
    if analysis.ladders:
        names = [ladder.strategy for ladder in analysis.ladders]
        caption = (
            "Each user asks again as soon as it was answered. A cross marks a step with failed "
            "requests."
        )
        figures.append(
            Figure(
                "Throughput over users",
                caption,
                Markup(curves.throughput(analysis)),
                _legend(analysis, names),
            )
        )
    if any(
        ladder.fit and ladder.strategy == analysis.results.reference for ladder in analysis.ladders
    ):
        caption = (
            f"{analysis.results.reference}: measured steps, and the universal scalability law "
            f"through them."
        )
        figures.append(Figure("Scalability", caption, Markup(curves.fitted(analysis))))
    return figures + _latency_figures(analysis)


def _latency_figures(analysis: Analysis) -> list[Figure]:
    shown = [
        name
        for name, points in analysis.open_loops.items()
        if any(p.corrected and not p.void for p in points)
    ]
    caption = (
        "Requests arrive by a Poisson process. Strong: from the intended time of sending; faint: "
        "from the real."
    )
    if not shown:
        return []
    legend = _legend(analysis, shown)
    return [
        Figure("Median over rate", caption, Markup(curves.latency(analysis, "p50")), legend),
        Figure(
            "99th percentile over rate", caption, Markup(curves.latency(analysis, "p99")), legend
        ),
    ]


def _legend(analysis: Analysis, names: Iterable[str]) -> tuple[tuple[Markup, str], ...]:
    looks = curves.looks(analysis)
    return tuple((Markup(svg.swatch(looks[name])), name) for name in names)


def _fits(analysis: Analysis) -> list[tuple[str, ...]]:
    return [
        (
            ladder.strategy,
            words.rate(fit.rate),
            f"{fit.sigma:.3f}",
            f"{fit.kappa:.2g}",
            words.rate(fit.peak) if fit.peak else "none",
            words.rate(fit.ceiling),
            f"{fit.r_squared:.3f}",
        )
        for ladder in analysis.ladders
        if (fit := ladder.fit)
    ]


def _machine(analysis: Analysis) -> dict[str, str]:
    machine = analysis.results.machine
    cores = [
        ", ".join(map(str, numbers)) or "unknown"
        for numbers in (machine.stack_cores, machine.generator_cores)
    ]
    return {
        "Processor": f"{machine.processor}, {machine.cores} cores",
        "Memory": f"{machine.memory_bytes / GIB:.1f} GiB",
        "Cores of the stack": cores[0],
        "Cores of the generator": cores[1],
        "Kernel": machine.kernel,
        "Debian": machine.debian,
    }
