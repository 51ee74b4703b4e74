"""What Prometheus says by its API, and whether it watches as planned."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

from pgstack.errors import ProbeError
from pgstack.live.probes import answers, watchers
from pgstack.planning import targets
from pgstack.planning.observability import LOOPBACK, Observability
from pgstack.planning.plan import Plan
from pgstack.planning.services import ALERTMANAGER, PROMETHEUS

ASK_SECONDS = 2
SETTLE_SECONDS = 5
"""beside an interval: what has just started was asked then"""
VERIFY = "/verify.json"
"""where its container is asked for `differences`"""
RULES = "observability/alerts.yml"
"""below `paths.conf`"""
RULE = re.compile(
    r"- alert: (?P<name>\w+)\n\s+expr: (?:>-\n)?(?P<expression>.*?)"
    r"(?:\n\s+for: (?P<count>\d+)(?P<unit>[smh]))?\n\s+labels: \{severity: (?P<severity>\w+)\}",
    re.DOTALL,
)
EXPONENT = re.compile(r"(\d)e\+?0*(\d)")
UNITS = {"s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True)
class Rule:
    """An alert's name, expression without white space, seconds that it has to hold, severity."""

    name: str
    expression: str
    seconds: float
    severity: str


def told(
    part: Observability,
    path: str,
    form: Mapping[str, str] | None = None,
    seconds: float = ASK_SECONDS,
) -> Any:
    """What it answers (`data`). Raises ProbeError."""
    address = (LOOPBACK, part.programs[PROMETHEUS].port)
    answer = answers.ask(PROMETHEUS, address, f"/api/v1/{path}", seconds, form)
    try:
        said = json.loads(answer.body)
        if said["status"] == "success":
            return said["data"]
        reason = str(said["error"])
    except (ValueError, KeyError, TypeError):
        reason = f"status {answer.status}"
    raise ProbeError(f"{PROMETHEUS}: {reason}")


def differences(plan: Plan, part: Observability) -> list[str]:
    """A sentence for all that is not as planned; waits while what was just started has not been
    asked. Raises ProbeError and OSError."""
    if silent := watchers.silent(part):
        return silent
    deadline = time.monotonic() + part.scrape_seconds + SETTLE_SECONDS
    while (down := list(_targets(part))) and time.monotonic() < deadline:
        time.sleep(1)
    loaded = told(part, "rules")["groups"]
    return [
        *down,
        *_listeners(part, alone=not targets.of(plan.target).shared),
        *_flags(part),
        *_alertmanagers(part),
        *different(planned_rules(Path(plan.paths.conf, RULES).read_text()), loaded_rules(loaded)),
    ]


def summary(plan: Plan, part: Observability) -> str:
    """What is there where nothing differs."""
    rules = planned_rules(Path(plan.paths.conf, RULES).read_text())
    ports = ", ".join(str(program.port) for program in part.programs.values())
    kept = ", ".join(value for name, value in _planned_flags(part) if "retention" in name)
    return (
        f"ports {ports} on the loopback address; {len(_asked(part))} targets up; "
        f"{len(rules)} rules; keeps {kept}"
    )


def planned_rules(text: str) -> list[Rule]:
    """Of observability/alerts.yml as it is written; there is no reader of YAML where this runs."""
    return [
        Rule(
            name=match["name"],
            expression=_compact(match["expression"]),
            seconds=int(match["count"] or 0) * UNITS[match["unit"] or "s"],
            severity=match["severity"],
        )
        for match in RULE.finditer(text)
    ]


def loaded_rules(groups: list[dict[str, Any]]) -> list[Rule]:
    """Of Prometheus' answer."""
    return [
        Rule(
            name=rule["name"],
            expression=_compact(rule["query"]),
            seconds=rule.get("duration", 0),
            severity=rule["labels"].get("severity", ""),
        )
        for group in groups
        for rule in group["rules"]
    ]


def _compact(expression: str) -> str:
    return EXPONENT.sub(r"\1e\2", "".join(expression.split()))


def different(planned: list[Rule], loaded: list[Rule]) -> Iterator[str]:
    """A sentence for each rule that is missing, another, or too much."""
    names = {rule.name for rule in loaded}
    yield from (f"rule {rule.name} is not loaded" for rule in planned if rule.name not in names)
    known = {rule.name for rule in planned}
    for rule in loaded:
        if rule not in planned:
            yield f"rule {rule.name} is {'another' if rule.name in known else 'not planned'}"


def _asked(part: Observability) -> set[str]:
    return {part.exporter, *(program.address for program in part.programs.values())}


def _targets(part: Observability) -> Iterator[str]:
    """What it asks, by address: none is missing, and all answered the last time (`up`)."""
    active = told(part, "targets?state=active")["activeTargets"]
    health = {urlsplit(target["scrapeUrl"]).netloc: target["health"] for target in active}
    yield from (f"Prometheus does not ask {address}" for address in _asked(part) - health.keys())
    for address, state in sorted(health.items()):
        if address not in _asked(part):
            yield f"Prometheus asks {address}, which is not planned"
        elif state != "up":
            yield f"{address} does not answer Prometheus ({state})"


def _alertmanagers(part: Observability) -> Iterator[str]:
    planned = part.programs[ALERTMANAGER].address
    active = told(part, "alertmanagers")["activeAlertmanagers"]
    if [urlsplit(manager["url"]).netloc for manager in active] != [planned]:
        yield f"Prometheus does not tell {ALERTMANAGER} at {planned}"


def _planned_flags(part: Observability) -> list[tuple[str, str]]:
    words = (word for word in part.programs[PROMETHEUS].words if word.startswith("--"))
    return [(name, value) for name, _, value in (word[2:].partition("=") for word in words)]


def _flags(part: Observability) -> Iterator[str]:
    """Where it listens, what it reads, how long it keeps."""
    live = told(part, "status/flags")
    for name, value in _planned_flags(part):
        # It writes GB as GiB, and what may be given again in brackets.
        if (runs := live.get(name, "").strip("[]").replace("iB", "B")) != value:
            yield f"Prometheus runs with {name}={runs}, planned {value}"


def _listeners(part: Observability, alone: bool) -> Iterator[str]:
    """That a port of theirs is open at another address; where they are alone in a network, that
    any port is."""
    ports = {program.port for program in part.programs.values()}
    for connection in psutil.net_connections("tcp"):
        if connection.status != psutil.CONN_LISTEN or not connection.laddr:
            continue
        ip, port = connection.laddr
        if (alone or port in ports) and not ip.startswith("127."):
            yield f"port {port} is open at {ip}"
