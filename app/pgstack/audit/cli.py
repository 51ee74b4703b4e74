"""The options of `manage.py stack_audit` and of `python -m pgstack.audit`, and what they do."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from pgstack.audit import baseline, discover, run, sarif, show
from pgstack.audit.finding import Report
from pgstack.errors import InputError

REFRESH = 20
"""files between two looks of the progress bar"""


def add_arguments(parser: ArgumentParser) -> None:
    """The options that both commands have."""
    parser.add_argument(
        "paths", nargs="*", type=Path, help="files and directories; default: the project"
    )
    parser.add_argument(
        "--package",
        action="append",
        default=[],
        metavar="NAME",
        help="audit an installed package too",
    )
    parser.add_argument("--tests", action="store_true", help="audit the tests below the paths too")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument(
        "--sarif", type=Path, metavar="FILE", help="write the report as SARIF 2.1.0"
    )
    parser.add_argument(
        "--baseline", type=Path, metavar="FILE", help="leave out the findings of this file"
    )
    parser.add_argument(
        "--write-baseline",
        type=Path,
        metavar="FILE",
        help="write the findings to this file and end",
    )
    parser.add_argument(
        "--fail-on",
        choices=["error", "warning", "notice", "never"],
        default="error",
        help="exit with 1 from this severity on (default: %(default)s)",
    )
    parser.add_argument("--explain", metavar="ID", help="explain a hazard, such as H012, and end")


def perform(
    options: Namespace,
    root: Path,
    *,
    note: str,
    packages: Sequence[str] = (),
    settings: run.Settings | None = None,
) -> int:
    """Do what the options say and give the exit status. `note` says what is known of the settings.

    Raises StackError when the work cannot be done.
    """
    if options.explain:
        return _explain(options.explain)
    paths = discover.files(options.paths or [root], tests=options.tests)
    paths += discover.files(discover.package_paths([*packages, *options.package]))
    paths = list(dict.fromkeys(paths))
    # It does not refresh by itself: a process with threads must not fork.
    bar = Progress(
        console=Console(stderr=True),
        transient=True,
        auto_refresh=False,
        disable=not sys.stderr.isatty(),
    )
    with bar:
        task = bar.add_task("audit", total=len(paths))

        def progress(count: int) -> None:
            bar.update(task, advance=count, refresh=int(bar.tasks[task].completed) % REFRESH == 0)

        report = run.audit(paths, root, settings, known=options.baseline, progress=progress)
    if options.write_baseline:
        baseline.write(report.findings, options.write_baseline)
        print(f"{len(report.findings)} findings written to {options.write_baseline}")
        return 0
    _output(report, options, note)
    return int(run.fails(report, options.fail_on))


def _output(report: Report, options: Namespace, note: str) -> None:
    if options.sarif:
        try:
            options.sarif.write_text(json.dumps(sarif.log(report), indent=2) + "\n")
        except OSError as error:
            raise InputError(f"the report cannot be written: {error}") from error
    if options.json:
        print(json.dumps({**show.as_data(report), "settings": note}, indent=2))
        return
    show.print_report(report, Console(highlight=False))
    print(note)


def _explain(identifier: str) -> int:
    text = show.explanation(identifier)
    if text is None:
        raise InputError(
            f"{identifier} is not a hazard: they are H001 to H049, in {show.PAGES}/README.md"
        )
    print(text)
    return 0
