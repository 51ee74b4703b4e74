"""Check of Prometheus, Alertmanager and the node exporter."""

from __future__ import annotations

import json

from pgstack.errors import ProbeError
from pgstack.live.probes import answers, prometheus
from pgstack.live.verify.finding import Outcome, judge
from pgstack.live.verify.live import Live
from pgstack.planning import targets
from pgstack.planning.plan import Plan

SECONDS = 40.0
"""longest wait for their container, which waits itself for what has just started"""


def watches(live: Live) -> Outcome:
    """They answer at the loopback address and nowhere else, Prometheus reaches all that it is to
    ask, and runs with the planned rules and for as long as planned."""
    plan = live.plan
    part = plan.observability
    if part is None:
        raise ProbeError("no Prometheus is planned")
    wrong = _asked_of_container(part.socket) if part.socket else prometheus.differences(plan, part)
    return judge(wrong, prometheus.summary(plan, part), _remedy(plan))


def _asked_of_container(socket: str) -> list[str]:
    answer = answers.ask("observability", socket, prometheus.VERIFY, SECONDS)
    if answer.status != 200:
        raise ProbeError(f"observability: status {answer.status}")
    try:
        return [str(sentence) for sentence in json.loads(answer.body)]
    except (ValueError, TypeError):
        raise ProbeError("observability: an answer that nobody understands") from None


def _remedy(plan: Plan) -> str:
    return (
        "`stackctl apply observability`, and where that does not help: site.yml."
        if targets.of(plan.target).units
        else "`docker compose restart observability`, and where that does not help: `make up`."
    )
