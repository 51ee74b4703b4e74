"""How full each part of the stack is, who blocks, what changed last and which alerts hold now: two
looks, a second apart, through the exporter, or without it at the servers themselves."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from pgstack.errors import ProbeError
from pgstack.live.probes import exporter as probe
from pgstack.metrics import (
    apache,
    exporter,
    machine,
    planned,
    pooler,
    postgres,
    scraped,
    sessions,
    web,
)
from pgstack.metrics.alerts import Alerts
from pgstack.metrics.board import Board
from pgstack.metrics.reading import Between, Reading
from pgstack.metrics.rule import Rule
from pgstack.metrics.rules import DISK_SHARE, RULES, WORKER_SHARE
from pgstack.metrics.sources import UP, Sources
from pgstack.planning import targets
from pgstack.planning.plan import Plan

APART_SECONDS = 1.0
"""between two looks: counters only tell something by their rise"""
SCRAPE_SECONDS = 3.0
WAIT_SECONDS = 0.01
"""for a thread: shorter waits are not shown"""
OF_MINUTES = ("ServerErrors", "RequestsQueue", "PoolWaits")
"""alerts on rates: the rates of a single second say little"""
GB, MB = 1024**3, 1024**2
SHOWN = 200
"""characters of a statement"""
LITERAL = re.compile(r"'(?:[^']|'')*(?:'|$)")
NOT_THERE = ("apache", "site", "certificate")
"""sources that only the exporter's own container can reach"""
NOT_MEASURED = ("apache", "wsgi")
"""those that say nothing where there is no exporter"""
Level = dict[str, Any]
"""how full something is: name, used, planned, whether it is full, and a text"""


def figures(plan: Plan, path: Path) -> dict[str, Any]:
    """The figures of the stack whose plan is at `path`. The caller bounds every wait for a database
    (live.probes.bounded)."""
    look = _looks(plan, path)
    with ThreadPoolExecutor(1) as beside:
        open_ = beside.submit(_sessions, plan)
        first = next(look)
        time.sleep(APART_SECONDS)
        now = next(look)
    between = Between(first, now)
    return {
        "full": list(_full(plan, between)),
        **(open_.result() or _counted(now)),
        "changed": list(_changed(now)),
        "alerts": _alerts(plan, first, now),
        "unknown": [
            source for (source,) in now.labels(UP) if source.isalpha() and not now.value(UP, source)
        ],
    }


def _looks(plan: Plan, path: Path) -> Iterator[Reading]:
    """Through the exporter as long as it answers: its connection works even when all others are
    taken."""
    with suppress(ProbeError):
        while plan.metrics:
            yield scraped.reading(probe.scrape(plan.metrics, SCRAPE_SECONDS))
    left_out = {*(NOT_THERE if targets.of(plan.target).image else ())}
    left_out |= {*(() if plan.metrics else NOT_MEASURED)}
    own = [
        source
        for source in exporter.sources(exporter.InForce(path), Board())
        if source.name not in left_out
    ]
    asked = Sources(own, lambda _: None)
    while True:
        yield Reading(asked.collect(), time.time())


def _level(name: str, used: float | None, of: float | None, full: bool, text: str) -> Level:
    return {"name": name, "used": used, "planned": of, "full": full, "text": text}


def _full(plan: Plan, between: Between) -> Iterator[Level]:
    now = between.now
    yield from _threads(between, "threads", plan.web.requests, "")
    pooler_ = plan.pooler
    sizes = pooler_.default_pool_size, pooler_.reserve_pool_size
    yield from _pool(now, "pool", plan.postgres.database, *sizes)
    for lane in plan.lanes:
        yield from _threads(between, f"threads {lane.name}", lane.requests, lane.name)
        yield from _pool(now, f"pool {lane.name}", lane.database, lane.pool_size, 0)
    if reads := plan.replicas:
        yield from _pool(now, "pool replica", reads.database, reads.pool_size, 0)
    if (busy := now.value(apache.BUSY)) is not None:
        most = plan.apache.max_request_workers
        yield _level(
            "workers", busy, most, busy > WORKER_SHARE * most, f"{busy:.0f} of {most} busy"
        )
    if (there := now.total(postgres.BACKENDS)) is not None:
        most = plan.postgres.max_connections - plan.postgres.superuser_reserved_connections
        yield _level(
            "sessions", there, most, there >= most - 1, f"{there:.0f} of {most} connections"
        )
    yield from _memory(now)
    yield from _disk(now)


def _threads(between: Between, name: str, threads: int, lane: str) -> Iterator[Level]:
    busy = between.now.value(web.BUSY, lane)
    if busy is None:
        return
    waits = between.quantile(web.QUEUE, 0.95, lane=lane)
    said = f"; one in twenty waits {waits:.2f} s for one" if (waits or 0) >= WAIT_SECONDS else ""
    yield _level(name, busy, threads, busy >= threads, f"{busy:.0f} of {threads} busy{said}")


def _pool(now: Reading, name: str, database: str, size: int, reserve: int) -> Iterator[Level]:
    lent = now.total(pooler.SERVERS, database=database, state="active")
    waiting = now.total(pooler.CLIENTS, database=database, state="waiting") or 0
    if lent is not None:
        more = f", {reserve} in reserve" if reserve else ""
        text = f"{lent:.0f} of {size} backends lent{more}; {waiting:.0f} wait"
        yield _level(name, lent, size, lent >= size and waiting > 0, text)


def _memory(now: Reading) -> Iterator[Level]:
    largest, share = now.largest(web.MEMORY), now.value(planned.PROCESS_MEMORY)
    free, there = now.value(machine.AVAILABLE), now.value(machine.MEMORY)
    said = []
    if largest is not None and share:
        said.append(f"{largest / MB:.0f} of {share / MB:.0f} MB in the largest web process")
    if free is not None and there:
        said.append(f"{free / GB:.1f} of {there / GB:.1f} GB free")
    full = largest is not None and share is not None and largest > share
    if said:
        yield _level("memory", largest, share, full, "; ".join(said))


def _disk(now: Reading) -> Iterator[Level]:
    free, there = now.value(machine.FREE), now.value(machine.DISK)
    if free is not None and there:
        text = f"{free / GB:.1f} of {there / GB:.1f} GB free where the database is"
        yield _level("disk", there - free, there, free < DISK_SHARE * there, text)


def _alerts(plan: Plan, first: Reading, now: Reading) -> list[dict[str, Any]]:
    """What is wrong now. The exporter, which has seen the minutes before, knows whether an alert
    fires and since when. Without it a gauge counts at once, and a rise within a second does not."""
    told, alerts = watched(plan), Alerts()
    alerts.see(first)
    shown_alerts = {
        alert.rule.name: _alert(
            alert.rule, alert.text, told is None and alert.rule.name not in OF_MINUTES
        )
        for alert in alerts.see(now)
    }
    shown_alerts |= told or {}
    return sorted(shown_alerts.values(), key=lambda a: (not a["fires"], a["severity"] != "page"))


def _alert(rule: Rule, text: str, fires: bool, since: float | None = None) -> dict[str, Any]:
    said = {"text": " ".join(text[:SHOWN].split()), "fires": fires, "since": since}
    return {"name": rule.name, "severity": rule.severity, "runbook": rule.runbook, **said}


def watched(plan: Plan) -> dict[str, dict[str, Any]] | None:
    """The exporter's alerts by rules that are known here; anything else that it says is ignored."""
    own = {rule.name: rule for rule in RULES}
    with suppress(ProbeError, ValueError, LookupError, TypeError):
        if plan.metrics:
            target = f"{probe.PAGE}{probe.FIGURES}?since={time.time()}"
            said = json.loads(probe.ask(plan.metrics, target, SCRAPE_SECONDS).body)["alerts"]
            return {
                name: _alert(
                    own[name], str(alert["text"]), alert["state"] == "firing", float(alert["since"])
                )
                for alert in said
                if (name := alert["name"]) in own
            }
    return None


def _sessions(plan: Plan) -> dict[str, Any]:
    """The session that blocks most others, and the oldest transaction; nothing if PostgreSQL does
    not answer."""
    if not exporter.asks_postgresql(plan):
        return {}
    rows = postgres.asked_once(plan, sessions.WITH_STATEMENT)
    if rows is None:
        return {}
    backends = [
        {"process": row.pop("pid"), **row, "statement": shown(row["statement"])} for row in rows
    ]
    return {
        "blocker": next((row for row in backends if row["blocks"] and not row["waits"]), None),
        "oldest": max(backends, key=lambda row: row["seconds"], default=None),
    }


def _counted(now: Reading) -> dict[str, Any]:
    """The same as far as the exporter knows it, whose connection was open before."""
    counted: dict[str, Any] = {}
    for what, process, seconds, waiters in (
        ("blocker", postgres.BLOCKER, postgres.BLOCKS, postgres.BLOCKED),
        ("oldest", postgres.OLDEST_PROCESS, postgres.OLDEST, None),
    ):
        counted[what] = None
        if number := now.value(process):
            session = {"process": int(number), "seconds": now.value(seconds) or 0.0}
            waits = int(now.value(waiters) or 0) if waiters else 0
            counted[what] = {**session, "waiters": waits, "role": "", "state": "", "statement": ""}
    return counted


def shown(statement: str) -> str:
    """The beginning of a statement on one line, without its literals, which may be secrets."""
    text = " ".join(LITERAL.sub("'…'", statement).split())
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:SHOWN]


def _changed(now: Reading) -> Iterator[dict[str, Any]]:
    """When web processes loaded their code, the plan was written and servers started; latest
    first."""
    started = postgres.COLUMNS["server"]["started"]
    uptime = now.value(apache.UPTIME)
    times = {
        "code": now.largest(web.SINCE),
        "inputs": now.value(planned.WRITTEN),
        "Apache": now.time - uptime if uptime is not None else None,
        "PostgreSQL": now.value(started),
    }
    known = [(at, what) for what, at in times.items() if at]
    for at, what in sorted(known, reverse=True):
        yield {"what": what, "time": round(at)}
