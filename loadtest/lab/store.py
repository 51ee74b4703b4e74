"""Where a run of the lab is kept: one directory with results.json, and the report made from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from loadtest.lab.analysis import Analysis
from loadtest.lab.model import Results, Trial
from loadtest.lab.report import html, rows
from pgstack.errors import InputError
from pgstack.ops import rendered
from pgstack.planning.plan import Plan
from pgstack.rendering.file import File

RECORDS, PLAN, TABLE, PAGE = "results.json", "plan.json", "results.csv", "report.html"
OTHERS = ("host", "against", "releases")
"""suites of runs that do not measure the lab's own stacks alone"""


class Journal:
    """A run so far, kept after each trial, so that an interrupted one loses none. Raises
    RenderError."""

    def __init__(self, results: Results, directory: Path) -> None:
        self.results, self.directory = results, directory

    def update(self, **fields: Any) -> None:
        """Set `fields` of the results, and write them."""
        self.results = self.results.model_copy(update=fields)
        write(self.results, self.directory)

    def keep(self, plan: Plan) -> None:
        """The plan of the stack that is measured, beside the records."""
        rendered.write([File(self.directory / PLAN, plan.model_dump_json(indent=1) + "\n")])

    def add(self, *trials: Trial) -> None:
        """Add trials to the results, and write them."""
        self.update(trials=(*self.results.trials, *trials))


def write(results: Results, directory: Path) -> None:
    """Keep the records. Raises RenderError; the records that were there are then unchanged."""
    rendered.write([File(directory / RECORDS, results.model_dump_json(indent=1) + "\n")])


def read(path: Path) -> Results:
    """The records in a file, or in the directory of a run. Raises InputError naming the file and
    the remedy."""
    file = path / RECORDS if path.is_dir() else path
    try:
        return Results.model_validate_json(file.read_bytes())
    except OSError as error:
        raise InputError(
            f"{file}: {error.strerror}. Name the {RECORDS} of an earlier run."
        ) from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        reason = f"{where}: {first['msg']}"
        raise InputError(
            f"{file}: {reason}. It is not a result of this version; measure again."
        ) from None


def latest(results: Path, suite: str | None = None) -> Path:
    """Directory of the last run below `results` that can be gone on with, not that of a host: of
    `suite`, one of OTHERS; else of the lab's own stacks.

    Raises InputError when there is none.
    """
    for file in sorted(results.glob(f"*/{RECORDS}"), reverse=True):
        here = read(file).suite
        if here == suite or (suite is None and here not in OTHERS):
            return file.parent
    raise InputError("RESUME=1: no earlier run to go on with. Leave RESUME out.")


def report(analysis: Analysis, directory: Path) -> Path:
    """Write page and table; the path of the page. Raises RenderError."""
    page = directory / PAGE
    rendered.write(
        [File(page, html.page(analysis)), File(directory / TABLE, rows.text(analysis.results))]
    )
    return page
