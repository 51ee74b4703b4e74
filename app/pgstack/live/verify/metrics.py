"""Check of the exporter."""

from __future__ import annotations

import stat
from pathlib import Path

from pgstack.errors import ProbeError
from pgstack.live.probes import exporter
from pgstack.live.verify.finding import Outcome, judge
from pgstack.live.verify.live import Live
from pgstack.planning import targets

MODE, OTHERS = 0o660, 0o007


def _place(port: int) -> str:
    return f"port {port} of the loopback address" if port else "no port"


def answers(live: Live) -> Outcome:
    """It answers with figures of every source, and only to those who may enter its directory."""
    part = live.plan.metrics
    if part is None:
        raise ProbeError("no exporter is planned")
    text = exporter.scrape(part)
    sources = exporter.sources(text)
    wrong = [f"{name} does not answer it" for name, up in sources.items() if not up]
    socket = Path(part.socket)
    mode = stat.S_IMODE(socket.stat().st_mode)
    wrong += [f"{socket} has mode {mode:o}, planned {MODE:o}"] if mode != MODE else []
    wrong += [f"{socket.parent} is open to others"] if socket.parent.stat().st_mode & OTHERS else []
    series = sum(not line.startswith("#") for line in text.splitlines())
    return judge(
        wrong,
        f"{series} figures of {', '.join(sources)}; on {_place(part.port)}",
        targets.of(live.plan.target).remedy,
    )
