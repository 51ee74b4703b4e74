"""What `make status` shows: the same lines, and the same JSON, on every target.

Plain Python: the tool for Compose runs without the project's packages.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

WIDTH = 80
NAME = 10
"""columns of a name, at least"""
RUNBOOKS = "docs/alerts.md"
HALTED = "stopped by a signal: process "
LONG_SECONDS = 1
"""age from which the oldest transaction is worth a line"""
ALERTS = 4
"""lines of alerts: the rest is only counted"""
LOCKS = "LocksBlock"
QUIET = "Nothing to do."
OF_SERVER = {
    "SiteDown": ("apache", "web"),
    "PostgreSQLDown": ("postgres",),
    "PgBouncerDown": ("pgbouncer",),
}
"""alerts about a server that was also asked directly, and more patiently; by the server's names"""
START = "`make up` starts what is down."
Report = dict[str, Any]


def report(
    stack: Mapping[str, str],
    servers: Sequence[Mapping[str, Any]],
    figures: Mapping[str, Any],
    unfinished: str = "",
    start: str = START,
) -> Report:
    """All of it (docs/advice.md has the shape). `stack` has `target` and `address`; `start` is
    what brings back a server that is down."""
    works = {server["name"]: server["works"] for server in servers}
    alerts = [
        alert
        for alert in figures.get("alerts", ())
        if not any(works.get(name) for name in OF_SERVER.get(alert["name"], ()))
    ]
    well = bool(servers) and not unfinished and all(works.values())
    whole = {
        "ok": well and not any(alert["severity"] == "page" and alert["fires"] for alert in alerts),
        "verdict": "",
        "next": "",
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        **stack,
        "servers": list(servers),
        "unfinished": unfinished,
        "full": list(figures.get("full", ())),
        "blocker": figures.get("blocker"),
        "oldest": figures.get("oldest"),
        "changed": list(figures.get("changed", ())),
        "alerts": alerts,
        "unknown": list(figures.get("unknown", ())),
    }
    whole["verdict"], whole["next"] = _verdict(whole, start)
    return whole


def _verdict(given: Report, start: str) -> tuple[str, str]:
    """What is wrong, causes before consequences, and the next step."""
    down = [server for server in given["servers"] if not server["works"]]
    dead = [
        server for server in down if not _is_running(server) or server["trouble"].startswith(HALTED)
    ]
    locks = [alert for alert in given["alerts"] if alert["name"] == LOCKS]
    if given["unfinished"]:
        return "a change was cut off", given["unfinished"]
    if not given["servers"]:
        return "nothing runs", start
    if down and (dead or not locks):
        return f"not all running: {', '.join(server['name'] for server in down)}", _mend(
            [*dead, *down][0], start
        )
    if given["alerts"]:
        # While sessions wait for a lock, no query comes back through the pooler either.
        alert = [*locks, *given["alerts"]][0]
        return _when(alert) + alert["text"], _act(alert, given["blocker"])
    return "all is well", QUIET


def _when(alert: Mapping[str, Any]) -> str:
    if alert["severity"] != "page":
        return "for the morning: "
    return "" if alert["fires"] else "it begins: "


def _is_running(server: Mapping[str, Any]) -> bool:
    return str(server["state"]).upper() == "RUNNING"


def _mend(server: Mapping[str, Any], start: str) -> str:
    if server.get("remedy"):
        return str(server["remedy"])
    trouble = server["trouble"]
    if trouble.startswith(HALTED):
        processes = trouble.removeprefix(HALTED).partition(";")[0].replace(",", "")
        return f"`kill -CONT {processes}` lets what was stopped go on."
    alert = next((name for name, own in OF_SERVER.items() if server["name"] in own), None)
    if not _is_running(server):
        steps = [start]
    else:
        steps = [f"See {RUNBOOKS}#{alert.lower()}."] if alert else []
    return " ".join([*steps, *([f"{server['log']} says why."] if server.get("log") else [])])


def _act(alert: Mapping[str, Any], blocker: Mapping[str, Any] | None) -> str:
    if alert["name"] == LOCKS and blocker:
        how = "cancel" if blocker["state"] == "active" else "terminate"
        return f"SELECT pg_{how}_backend({blocker['process']}) ends it; {alert['runbook']}"
    return f"See {alert['runbook']}"


def lines(given: Report, own: Sequence[tuple[str, str]] = ()) -> Iterator[str]:
    """The screen: servers first, and what to do last, where the eye is. `own` replaces the servers'
    lines, as names and texts, on a target that says more about them."""
    servers = own or list(_servers(given))
    names = [*(name for name, _ in servers), *(level["name"] for level in given["full"])]
    width = max(NAME, *(len(name) + 1 for name in names), 0)
    for name, text in servers:
        yield f"{name:<{width}}{text}"
    for name, text in (*_figures(given), *_alerts(given)):
        line = f"{name:<{width}}{text}"
        yield line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…"
    for name, text in _end(given):
        yield f"{name:<{width}}{text}"


def _servers(given: Report) -> Iterator[tuple[str, str]]:
    for server in given["servers"]:
        said = server["trouble"] or server["told"]
        yield server["name"], server["state"] + (f"  {said}" if said else "")
    if given["unfinished"]:
        yield "changes", given["unfinished"]


def _figures(given: Report) -> Iterator[tuple[str, str]]:
    for level in given["full"]:
        yield level["name"], level["text"] + ("  FULL" if level["full"] else "")
    for name in ("blocker", "oldest"):
        session = given[name]
        if session and (name == "blocker" or _worth_a_line(session, given["blocker"])):
            yield name, _session(session)
    if given["changed"]:
        yield "changed", "; ".join(_happened(event) for event in given["changed"])
    if given["unknown"]:
        yield "unknown", f"no figures of {', '.join(given['unknown'])}"


def _alerts(given: Report) -> Iterator[tuple[str, str]]:
    for alert in given["alerts"][:ALERTS]:
        since = f", {age(time.time() - alert['since'])}" if alert["since"] else ""
        yield "alert", f"{alert['name']} ({alert['severity']}{since}): {alert['text']}"
    if more := given["alerts"][ALERTS:]:
        yield "alert", f"and {len(more)} more"


def _end(given: Report) -> Iterator[tuple[str, str]]:
    if given.get("address"):
        yield "page", given["address"]
    yield "verdict", ("ok: " if given["ok"] else "NOT WELL: ") + given["verdict"]
    yield "next", given["next"]


def _worth_a_line(oldest: Mapping[str, Any], blocker: Mapping[str, Any] | None) -> bool:
    told = blocker is not None and oldest["process"] == blocker["process"]
    return not told and oldest["seconds"] >= LONG_SECONDS


def _session(session: Mapping[str, Any]) -> str:
    waiters = f", {session['waiters']} wait for it" if session["waiters"] else ""
    who = f"process {session['process']} {session['role']}".rstrip()
    said = ": ".join(filter(None, (session["state"], session["statement"])))
    return f"{who}, {session['seconds']:.0f} s{waiters}; {said}".removesuffix("; ")


def _happened(change: Mapping[str, Any]) -> str:
    return f"{change['what']} {age(time.time() - change['time'])} ago"


def age(seconds: float) -> str:
    """A duration as a person says it."""
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(0, seconds):.0f} s"
