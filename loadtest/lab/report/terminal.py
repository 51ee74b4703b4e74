"""The report on the terminal; it leaves columns out where the terminal is narrow, never figures cut
short."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from loadtest.lab.analysis import Analysis
from loadtest.lab.compare import Comparison
from loadtest.lab.costs import COMPONENTS
from loadtest.lab.gates import FULL_BLOCKS
from loadtest.lab.headline import headline
from loadtest.lab.report import words
from loadtest.lab.summary import Row

WIDE = 110
"""columns that all columns of the tables need; 80 hold those without which a run says nothing"""
COLOURS = {"met": "green", "missed": "red", "not claimed": "yellow"}


def show(analysis: Analysis, console: Console) -> None:
    """Tables, what is missing and why, validity, goals, and the headline last, where the eye is."""
    wide = console.width >= WIDE
    if analysis.rows:
        console.print(_rates(analysis, wide=wide))
        if any(row.cpu for row in analysis.rows):
            console.print(_cpu(analysis))
    if analysis.pages:
        console.print(_pages(analysis))
    if analysis.ladders:
        console.print(_ladders(analysis, wide=wide))
    if analysis.open_loops:
        console.print(_open_loops(analysis))
    if analysis.results.limits:
        console.print(_limits(analysis))
    _left_out(analysis, console)
    for line in words.validity(analysis):
        console.print(f"[dim]{escape(line)}[/]", highlight=False)
    _goals(analysis, console)
    style = "bold red" if analysis.doubts else "bold"
    console.print(f"\n[{style}]{escape(headline(analysis))}[/]", highlight=False)


def _left_out(analysis: Analysis, console: Console) -> None:
    for name, reason in analysis.results.unavailable.items():
        console.print(f"[yellow]not here[/]  {escape(name)}: {escape(reason)}")
    for row in analysis.rows:
        for reason, number in row.void.items():
            console.print(f"[yellow]void[/]      {escape(row.label)}, {number} ×: {escape(reason)}")
    for line in words.failures(analysis.results):
        console.print(f"[yellow]failed[/]    {escape(line)}", highlight=False)


def show_comparison(comparison: Comparison, console: Console) -> None:
    """New against old; what was updated since, and which labels only one run has."""
    table = _table("Requests/s of this run ÷ those of the old one", "", ("new ÷ old", "verdict"))
    colours = {"regression": "red", "improvement": "green"}
    for change in comparison.changes:
        verdict = f"[{colours.get(change.verdict, 'dim')}]{change.verdict}[/]"
        table.add_row(escape(change.label), escape(words.ratio(change.ratio)), verdict)
    console.print(table)
    for name, (then, now) in comparison.versions.items():
        console.print(
            f"updated     {escape(name)}: {escape(then)} → {escape(now)}", highlight=False
        )
    for only, names in (("old", comparison.only_old), ("new", comparison.only_new)):
        if names:
            console.print(f"only in the {only} run: {escape(', '.join(names))}", highlight=False)


def _rates(analysis: Analysis, *, wide: bool) -> Table:
    results = analysis.results
    noun = words.noun(results)
    headings = ("p50", "p95", "p99", "p99.9", "errors") if wide else ("p50", "p99")
    table = _table(words.load(results), noun, ("r/s", *headings, "backends", "ratio"), wide=wide)
    over, under = words.compared(results)
    table.caption = f"p: response times in ms; ratio: requests/s of {over} ÷ {under}, 95 % interval"
    for row in (*analysis.rows, *([analysis.twin] if analysis.twin else [])):
        style = "bold" if row.label == results.reference else "dim" if row is analysis.twin else ""
        table.add_row(words.shown_label(row.label), *_cells(row, wide=wide), style=style)
    return table


def _cells(row: Row, *, wide: bool) -> tuple[str, ...]:
    latency = row.latency
    percentiles = [latency.p50, latency.p95, latency.p99, latency.p999] if latency else [None] * 4
    times = [words.milliseconds(value) for value in (percentiles if wide else percentiles[::2])]
    errors = [words.count(row.errors)] if wide else []
    rate = words.rate(row.rate.value if row.rate else None)
    return (rate, *times, *errors, words.count(row.backends), escape(words.ratio(row.ratio)))


def _cpu(analysis: Analysis) -> Table:
    table = _table(
        "CPU-µs per request", words.noun(analysis.results), (*COMPONENTS.values(), "sum")
    )
    for row in analysis.rows:
        parts = [row.cpu.get(name) for name in COMPONENTS]
        table.add_row(
            escape(row.label), *map(words.rate, parts), words.rate(sum(row.cpu.values()) or None)
        )
    lines = [
        f"{cost.strategy}: k = {cost.connect_ms:.2f} ms, c = {cost.request_ms:.2f} ms,"
        f" 1 + k/c = {cost.predicted:.1f}, measured {words.ratio(cost.measured)}"
        for cost in analysis.connects
    ]
    table.caption = escape("\n".join(lines)) or None
    return table


def _pages(analysis: Analysis) -> Table:
    shown = words.pages(analysis)
    table = _table("Each page by itself", "page", shown.headings[1:], wide=False)
    table.caption = "gain: requests/s of this stack ÷ the strategy's, 95 % interval"
    for cells in shown.cells:
        table.add_row(*map(escape, cells))
    return table


def _ladders(analysis: Analysis, *, wide: bool) -> Table:
    users = sorted({step.users for ladder in analysis.ladders for step in ladder.steps})
    headings = (*map(str, users), *(["ceiling"] if wide else []))
    table = _table("Requests/s over users", words.noun(analysis.results), headings, wide=wide)
    for ladder in analysis.ladders:
        steps = {step.users: step for step in ladder.steps}
        cells = [words.step(steps.get(count), wide=wide) for count in users]
        if wide:
            cells.append(words.rate(ladder.fit.ceiling if ladder.fit else None))
        table.add_row(escape(ladder.strategy), *cells)
    return table


def _open_loops(analysis: Analysis) -> Table:
    table = _table(
        "Latency over rate, from the intended time of sending",
        words.noun(analysis.results),
        ("r/s offered", "answered", "p50 ms", "p99 ms", "errors"),
    )
    for label, points in analysis.open_loops.items():
        for point in points:
            times = (point.corrected.p50, point.corrected.p99) if point.corrected else (None, None)
            table.add_row(
                escape(label),
                words.rate(point.rate),
                words.rate(point.answered),
                *map(words.milliseconds, times),
                words.count(point.errors),
                style="dim" if point.void else "",
            )
    return table


def _limits(analysis: Analysis) -> Table:
    table = _table("Limits", "way to ask", ("requests/s", "the page over HTTP ÷ it"))
    for name, rate, ratio in words.limits(analysis.results):
        table.add_row(escape(name), rate, escape(ratio))
    return table


def _goals(analysis: Analysis, console: Console) -> None:
    if analysis.goals and analysis.results.blocks < FULL_BLOCKS:
        console.print("[dim]The goals are judged by a full run: FULL=1.[/]")
        return
    for judged in analysis.goals:
        colour = COLOURS[judged.verdict]
        measured = words.measured(judged)
        reason = f" ({judged.reason})" if judged.reason else ""
        console.print(
            f"[{colour}]{judged.verdict:<11}[/] {escape(measured)} {escape(judged.goal.name)},"
            f" {words.bound(judged)}{escape(reason)}",
            highlight=False,
            soft_wrap=True,
        )


def _table(title: str, first: str, others: tuple[str, ...], *, wide: bool = True) -> Table:
    padding = (0, 0, 0, 1 if wide else 0)
    table = Table(
        title=title,
        title_justify="left",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        padding=padding,
    )
    table.add_column(first, no_wrap=True)
    for heading in others:
        table.add_column(heading, justify="right", no_wrap=True)
    return table
