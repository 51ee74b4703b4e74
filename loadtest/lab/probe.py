"""The trial run of a project's pages, before anything is measured: whether each is answered, what
it asks of the database, whether it writes, and under which strategies all of them are served."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from http import HTTPStatus
from itertools import pairwise
from pathlib import Path
from statistics import fmean

from loadtest.lab import apache, services, trial, watch
from loadtest.lab.model import Page
from loadtest.lab.server import LabStack, Strategy
from loadtest.lab.strategies import REFERENCE, STRATEGIES
from loadtest.lab.trial import Arm, Cores
from loadtest.lab.web import DAEMON
from pgstack.errors import TargetError
from pgstack.targets import failure

WARM, LOOKS = 2, 5
"""requests for each page: until caches are filled, and those that are looked at"""
ANSWER_SECONDS = 60
SETTLE_SECONDS = 0.3
"""until a backend that has ended is counted"""
LOG_LINES = 6
# Vacuum of its own accord would take transaction ids as a page does that writes.
ALONE = replace(
    STRATEGIES[REFERENCE],
    services=(services.postgres_with(autovacuum="off"), services.pgbouncer("transaction")),
)
OUT_OF_THE_BOX = STRATEGIES["reconnect-socket"]
"""Django's own way, to count the connections of a page"""


@dataclass(frozen=True)
class Refusal:
    """Why a page cannot be measured."""

    page: Page
    reason: str
    remedy: str

    @property
    def text(self) -> str:
        """The whole sentence."""
        return f"{self.page.address}: {self.reason}. {self.remedy}."


LogIn = Callable[[LabStack], tuple[str, ...]]
"""Logs in on a running stack: headers for every request to it."""


def logged_in(lab_stack: LabStack, cores: Cores, log_in: LogIn) -> LabStack:
    """The stack with a session of its own. Raises StackError when nobody can log in."""
    with trial.running(Arm(lab_stack, ALONE, DAEMON), cores):
        return replace(lab_stack, headers=log_in(lab_stack))


def look(
    lab_stack: LabStack, cores: Cores, pages: Sequence[Page]
) -> tuple[list[Page], list[Refusal]]:
    """The pages with what they do, and those that are not answered. Raises StackError when the
    stack does not start."""
    seen: list[Page] = []
    refused: list[Refusal] = []
    with ExitStack() as kept:
        kept.enter_context(trial.running(Arm(lab_stack, ALONE, DAEMON), cores))
        database = kept.enter_context(closing(watch.Postgres(lab_stack.plan)))
        console = kept.enter_context(closing(watch.Console(lab_stack.plan)))
        for page in pages:
            answer = _seen(lab_stack, page, database, console)
            if isinstance(answer, Refusal):
                refused.append(answer)
            else:
                seen.append(answer)
    return _with_connections(lab_stack, cores, seen), refused


def _seen(
    lab_stack: LabStack, page: Page, database: watch.Postgres, console: watch.Console
) -> Page | Refusal:
    for _ in range(WARM):
        if refusal := ask(lab_stack, page):
            return refusal
    log, before = apache.log(lab_stack), database.next_transaction()
    place, counts = log.stat().st_size, [console.transactions()]
    for _ in range(LOOKS):
        if refusal := ask(lab_stack, page):
            return refusal
        counts.append(console.transactions())
    figures = _measured(log, place)
    each = {after - earlier for earlier, after in pairwise(counts)}
    return page.model_copy(
        update={
            "project_ms": fmean(figure[1] for figure in figures) / 1000,
            "database_ms": fmean(figure[2] for figure in figures) / 1000,
            "queries": fmean(figure[3] for figure in figures),
            "transactions": float(each.pop()) if len(each) == 1 else None,
            "writes": database.next_transaction() > before,
        }
    )


def _measured(log: Path, place: int) -> list[list[int]]:
    """What the web process measured of the last requests: see docs/logs.md. Apache writes a line
    after the answer, so it may come late."""
    deadline = time.monotonic() + ANSWER_SECONDS
    while True:
        lines = log.read_bytes()[place:].splitlines()
        if len(lines) >= LOOKS or time.monotonic() > deadline:
            break
        time.sleep(SETTLE_SECONDS / 10)
    return [entry["measured"] for line in lines if "measured" in (entry := json.loads(line))]


def _with_connections(lab_stack: LabStack, cores: Cores, pages: Sequence[Page]) -> list[Page]:
    counted = []
    arm = Arm(lab_stack, OUT_OF_THE_BOX, DAEMON)
    with trial.running(arm, cores), closing(watch.Postgres(lab_stack.plan)) as database:
        for page in pages:
            ask(lab_stack, page)
            time.sleep(SETTLE_SECONDS)
            before = database.sessions()
            for _ in range(LOOKS):
                ask(lab_stack, page)
            time.sleep(SETTLE_SECONDS)
            made = (database.sessions() - before) / LOOKS
            counted.append(page.model_copy(update={"connections": made}))
    return counted


def missing(
    lab_stack: LabStack, cores: Cores, strategy: Strategy, pages: Sequence[Page]
) -> str | None:
    """Why the project does not serve its pages under `strategy`; None when it does."""
    arm = Arm(lab_stack, strategy, DAEMON)
    try:
        with ExitStack() as kept:
            kept.enter_context(trial.running(arm, cores))
            refusals = [ask(lab_stack, page) for page in pages for _ in range(WARM)]
    except TargetError as error:
        return f"it does not start with this project: {str(error).splitlines()[-1].strip()}"
    first = next((refusal for refusal in refusals if refusal), None)
    return f"{first.page.address}: {first.reason}" if first else None


def ask(lab_stack: LabStack, page: Page) -> Refusal | None:
    """Send one request; why it is not answered with a page."""
    connection = http.client.HTTPConnection(
        "127.0.0.1", lab_stack.plan.site.port, timeout=ANSWER_SECONDS
    )
    headers = dict(header.split(": ", 1) for header in lab_stack.headers)
    with closing(connection):
        try:
            connection.request("GET", page.address, headers=headers)
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException) as error:
            return Refusal(page, f"no answer: {error}", _last_lines(lab_stack))
    return _refusal(lab_stack, page, answer.status, answer.getheader("Location"), bool(body))


def _refusal(
    lab_stack: LabStack, page: Page, status: int, location: str | None, has_body: bool
) -> Refusal | None:
    if status == HTTPStatus.OK:
        return None if has_body else Refusal(page, "an empty answer", "Leave it out")
    if location:
        remedy = "Name that address, or if it wants a login, give LOGIN or SESSION"
        return Refusal(page, f"the project redirects to {location}", remedy)
    reason = f"the project answers {status}"
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Refusal(page, reason, _last_lines(lab_stack))
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return Refusal(page, reason, "Give LOGIN or SESSION of somebody who may see it")
    return Refusal(page, reason, "Name a page that it has, with the rows that DUMP brings")


def _last_lines(lab_stack: LabStack) -> str:
    end = failure.log_end(Path(lab_stack.plan.paths.error_log), LOG_LINES)
    return f"Its log ends with:\n{end}"
