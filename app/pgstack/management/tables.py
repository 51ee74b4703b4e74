"""Tables for people."""

from __future__ import annotations

from collections import Counter
from typing import cast

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pgstack.live.probes.pooler import Pool
from pgstack.live.verify.finding import Finding
from pgstack.planning import invariants
from pgstack.planning.config import StackConfig
from pgstack.planning.input_names import environment_name
from pgstack.planning.plan import Plan

MB = 1024**2


def plan(value: Plan) -> None:
    """Print numbers with their arithmetic, then the inequalities."""
    title = (
        f"Debian {value.debian}, {value.cores} cores, {value.memory.total // MB} MB, target "
        f"{value.target}"
    )
    table = Table("number", "value", "because", title=title)
    for name, reason in value.arithmetic.items():
        part, _, field = name.partition(".")
        owner = getattr(value, part)
        figure = getattr(owner, field, None) if field else owner
        table.add_row(name, str(figure if figure is not None else owner.settings[field]), reason)
    sound = Table("holds", "rule", "arithmetic")
    for rule in invariants.check(value):
        sound.add_row("yes" if rule.holds else "NO", rule.name, rule.arithmetic)
    console = Console()
    console.print(table, sound)


def inputs() -> None:
    """Print every input: name, unit, default, meaning."""
    table = Table("input", "unit", "default", "meaning")
    for field, info in StackConfig.model_fields.items():
        extra = cast("dict[str, str]", info.json_schema_extra)
        default = ",".join(info.default) if isinstance(info.default, tuple) else info.default
        table.add_row(
            environment_name(field),
            extra["unit"],
            extra["unset"].replace("`", "") if default in (None, "") else str(default),
            info.description or "",
        )
    Console().print(table)


def findings(values: list[Finding]) -> None:
    """Print what verify found: the remedy under each failure, a count at the end."""
    table = Table("", "check", "found", box=box.SIMPLE_HEAD, pad_edge=False)
    marks = {True: "[green]ok[/]", False: "[bold red]FAIL[/]", None: "[yellow]skip[/]"}
    for value in values:
        detail = escape(value.detail.replace("; ", "\n"))
        remedy = f"\n[bold yellow]→ {escape(value.remedy)}[/]" if value.remedy else ""
        table.add_row(marks[value.holds], value.check, detail + remedy)
    count = Counter(value.holds for value in values)
    console = Console(highlight=False)
    console.print(table)
    console.print(f"{count[True]} hold, {count[False]} fail, {count[None]} could not be tried")


def pools(rows: list[Pool]) -> Table:
    """PgBouncer's pools as a table; the wait in seconds."""
    table = Table(
        "pool",
        "login",
        "mode",
        "clients active",
        "waiting",
        "servers active",
        "idle",
        "longest wait",
    )
    for row in rows:
        wait = f"{row.maxwait + row.maxwait_us / 1e6:.3f} s"
        counts = (row.cl_active, row.cl_waiting, row.sv_active, row.sv_idle)
        table.add_row(row.database, row.user, row.pool_mode, *map(str, counts), wait)
    return table
