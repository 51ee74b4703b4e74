"""What `make status` finds of the local target: its servers asked for themselves, and beside them
how full they are."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from pgstack.live.probes import bounded
from pgstack.metrics import screen, standing
from pgstack.planning import state
from pgstack.planning.plan import Plan
from pgstack.targets import health

ANSWER_SECONDS = 2


def report(plan: Plan) -> screen.Report:
    """Within seconds, whatever does not answer. Raises TargetError when supervisord runs and says
    nothing."""
    with bounded.waits(ANSWER_SECONDS), ThreadPoolExecutor(1) as beside:
        figures = beside.submit(standing.figures, plan, state.plan_file())
        servers = health.servers(plan)
    return screen.report(
        {"target": plan.target, "address": plan.site.url if servers else ""},
        [_told(plan, server) for server in servers],
        figures.result() if servers else {},
        health.cut_off(plan),
    )


def _told(plan: Plan, server: health.Server) -> dict[str, Any]:
    own = Path(plan.paths.log, f"{server.name}.log")
    log = Path(plan.paths.error_log) if server.name == "apache" else own
    return {**vars(server), "works": server.works, "log": str(log) if log.exists() else ""}
