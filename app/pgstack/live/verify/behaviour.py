"""Checks of what the running stack does with requests and transactions."""

from __future__ import annotations

import contextlib

import psutil

from pgstack.live.probes import local, postgres, web
from pgstack.live.verify.finding import Outcome, judge
from pgstack.live.verify.live import Live, ServerUnreachable, ask
from pgstack.planning import invariants, lanes, targets
from pgstack.planning.apache import Web
from pgstack.planning.lanes import Lane
from pgstack.planning.plan import Plan
from pgstack.planning.services import DAEMON

REQUESTS = 40
"""requests sent to be found again in the pooler's count of transactions"""

LOOKS = 3
"""at the backends before one counts as unexplained"""

SERVER_ERROR = 500


def daemons(live: Live) -> Outcome:
    """The request threads that answer, and the process table where it can be seen, equal the plan,
    in each lane."""
    plan = live.plan
    wrong, shapes, seen = [], [], set[int]()
    groups: list[tuple[str, Web | Lane, web.Survey]] = [("", plan.web, live.web)]
    groups += [(lane.name, lane, live.lanes[lane.name]) for lane in plan.lanes]
    for name, group, survey in groups:
        of = f" of {name}" if name else ""
        wrong += [f"{text}{of}" for text in _unlike(group, survey)]
        shapes.append(f"{group.processes} x {group.threads}{of}")
        seen |= set(survey.threads())
    table = _process_table(plan)
    if table is not None and table != seen:
        wrong.append(
            f"processes in the process table: {sorted(table)}; that answered: {sorted(seen)}"
        )
    shape = " + ".join(shapes)
    detail = f"{shape} = {plan.requests} threads answered"
    return judge(wrong, detail, f"The plan has {shape}. Render and restart Apache: `make down up`.")


def _unlike(group: Web | Lane, survey: web.Survey) -> list[str]:
    """How the threads that answered differ from those planned for a process group."""
    shape = f"{group.processes} x {group.threads}"
    told = {f"{answer.processes} x {answer.threads}" for answer in survey.answers}
    counts = sorted(len(threads) for threads in survey.threads().values())
    wrong = [_failures(survey.errors, group.requests)] if survey.errors else []
    if counts != [group.threads] * group.processes:
        wrong.append(f"threads that answered, by process: {counts}; planned {shape}")
    if told - {shape}:
        wrong.append(f"mod_wsgi runs {', '.join(sorted(told))}; planned {shape}")
    return wrong


def _process_table(plan: Plan) -> set[int] | None:
    """Daemon processes; None where the stack's processes cannot be told from others, or seen."""
    if not targets.of(plan.target).sees_processes:
        return None
    pids = set()
    for process in local.processes(plan):
        with contextlib.suppress(psutil.NoSuchProcess, IndexError):
            if process.cmdline()[0].startswith(DAEMON):
                pids.add(process.pid)
    return pids


def through_pooler(live: Live) -> Outcome:
    """PgBouncer's count of transactions rises with requests, and every request thread uses a
    backend of PgBouncer's.

    The count alone proves little: requests of others raise it as well.
    """
    wrong, rise = _count_transactions(live)
    wrong += _idle_poolers(live)
    if beside := _beside_pooler(live):
        wrong.append(f"{len(beside)} threads use backends that are not PgBouncer's")
    remedy = (
        "The alias `default` bypasses the pooler; take it from pgstack.settings.databases()."
        if beside
        else "See Apache's log and `make status`."
    )
    return judge(
        wrong, f"{REQUESTS} requests, {rise} transactions, all on PgBouncer's backends", remedy
    )


def _idle_poolers(live: Live) -> list[str]:
    """Of several PgBouncers those that no web process uses, as many as there are."""
    plan = live.plan
    if not plan.pooler.further or live.web.errors:
        return []
    users = {
        process.name: sum(
            row["database"] == plan.postgres.database and row.get("application_name") == lanes.PAGES
            for row in live.shown("CLIENTS", process.port)
        )
        for process in plan.pooler.processes
    }
    return [f"no web process uses {name}" for name, count in users.items() if not count]


def _count_transactions(live: Live) -> tuple[list[str], int]:
    """What is wrong, and by how much the count rose. Not tried where requests fail already."""
    if live.web.errors:
        return [_failures(live.web.errors, live.plan.web.requests)], 0
    before = _transactions(live)
    failures = web.burst(live.plan, REQUESTS).errors
    rise = _transactions(live) - before
    wrong = [_failures(failures, REQUESTS)] if failures else []
    if rise < REQUESTS:
        wrong.append(f"{REQUESTS} requests, but {rise} transactions at PgBouncer")
    return wrong, rise


def _beside_pooler(live: Live) -> set[int]:
    """Threads with a backend that PgBouncer does not have.

    PgBouncer may have closed a connection between the answer and its list, so only what persists
    counts.
    """
    answers = live.web.answers
    for _ in range(LOOKS):
        pooled = {int(row["remote_pid"]) for row in live.show("SERVERS")}
        beside = {answer.thread for answer in answers if answer.backend not in pooled}
        if not beside or live.web.errors:
            break
        answers = web.survey(live.plan).answers
    return beside


def _failures(errors: list[str], count: int) -> str:
    return f"{len(errors)} of {count} requests failed: {errors[0]}"


def _transactions(live: Live) -> int:
    rows = [
        row for row in live.show("STATS_TOTALS") if row["database"] == live.plan.postgres.database
    ]
    return sum(int(row.get("xact_count", row.get("total_xact_count", 0))) for row in rows)


def intact(live: Live) -> Outcome:
    """PostgreSQL has read no page whose checksum is wrong."""
    corrupted = postgres.corrupted(live.monitor)
    return judge(
        [corrupted] if corrupted else [], "no read met a wrong checksum", f"{postgres.CORRUPTED}."
    )


def finished(live: Live) -> Outcome:
    """No `reload` or `release` was killed on its way."""
    command = local.cut_off(live.plan)
    wrong = [f"{command} was cut off: old and new are in force side by side"] if command else []
    return judge(wrong, "the last reload or release finished", f"Run `make {command}` again.")


def running(live: Live) -> Outcome:
    """No process waits for a SIGCONT."""
    wrong = [
        f"process {process.pid} ({process.name()}) is stopped by a signal"
        for process in local.stopped(live.plan)
    ]
    return judge(
        wrong, "no process is stopped by a signal", "Continue it: `kill -CONT` and its number."
    )


def front_page(live: Live) -> Outcome:
    """The site's first page is answered, by whatever but an error of the server: it may redirect,
    or want a login."""
    if live.web.errors:
        return Outcome(None, "not tried: requests fail already")
    status = web.status(live.plan, "")
    detail = f"/ is answered with {status}"
    unproven = "; its other pages and its writes are not tried" if live.plan.project else ""
    wrong = [detail] if status >= SERVER_ERROR else []
    return judge(wrong, detail + unproven, "The project's own error: see Apache's error log.")


def shared_backends(live: Live) -> Outcome:
    """Clients that are connected at the same time share backends, which session pooling never
    allows.

    One more client than the first PgBouncer may have backends, where it has that many clients to
    spare.
    """
    pooler, web_ = live.plan.pooler, live.plan.web
    spare = (
        pooler.max_client_conn - live.plan.requests * web_.hosts - invariants.COMMAND_CLIENTS_MIN
    )
    count = min(int(pooler.settings["max_db_connections"]) + 1, spare)
    remedy = "Set pool_mode = transaction: render and start again, `make down up`."
    try:
        with live.clients(count) as clients:
            backends = {ask(client, "SELECT pg_backend_pid()") for client in clients}
    except ServerUnreachable as error:
        return Outcome(
            False, f"{count} clients at a time do not get a transaction each: {error}", remedy
        )
    detail = f"{count} clients at a time used {len(backends)} backend{'s'[: len(backends) > 1]}"
    return judge([] if len(backends) < count else [detail], detail, remedy)
