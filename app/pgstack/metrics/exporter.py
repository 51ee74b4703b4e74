"""The exporter: the plan in force, its sources, and the text of a scrape."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from prometheus_client import core, exposition, registry

from pgstack.metrics import (
    ages,
    apache,
    balancer,
    cluster,
    facts,
    machine,
    model,
    planned,
    pooler,
    postgres,
    statements,
    web,
)
from pgstack.metrics.board import Board
from pgstack.metrics.model import Sample
from pgstack.metrics.sources import Source, Sources
from pgstack.planning import targets
from pgstack.planning.plan import Plan
from pgstack.serving import measured


class InForce:
    """The plan on disk, read again whenever it has been rewritten."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: tuple[int, int] | None = None
        self._plan: Plan | None = None

    def plan(self) -> Plan:
        """The plan as it is now. Raises OSError, or ValueError for a plan of another version."""
        status = self.path.stat()
        seen = (status.st_mtime_ns, status.st_ino)
        if self._plan is None or seen != self._seen:
            self._plan, self._seen = Plan.model_validate_json(self.path.read_bytes()), seen
        return self._plan

    def samples(self) -> Iterator[Sample]:
        """Samples of its numbers."""
        yield from planned.collect(self.plan(), self.path.stat().st_mtime)


def sources(force: InForce, board: Board) -> Iterator[Source]:
    """The sources of the plan in force. The board is given what only the page shows."""
    plan = force.plan()
    yield Source("plan", force.samples)
    yield Source("machine", lambda: machine.collect(force.plan()))
    if asks_postgresql(plan):
        yield Source("postgresql", _postgresql(force, board))
    if "pgbouncer" in plan.services:
        yield Source("pgbouncer", lambda: pooler.collect(pooler.read(force.plan())))
    if "apache" in plan.services:
        yield Source("apache", lambda: apache.collect(apache.read(force.plan())))
        yield Source("site", lambda: apache.ready(force.plan()))
        yield Source("wsgi", lambda: web.collect(measured.read(force.plan())))
        if (plan.front or plan.site).tls != "off":
            yield Source("certificate", lambda: ages.certificate(force.plan()))
    if (part := plan.cluster) is not None:
        yield Source("cluster", lambda: cluster.collect(part))
        if part.member:
            yield Source("etcd", lambda: cluster.etcd(part))
    if (balancing := plan.balancing) is not None and balancing.member:
        yield Source("haproxy", lambda: balancer.collect(balancing))
    if targets.of(plan.target).own_directory:
        yield Source("backup", lambda: ages.backup(force.plan()))
    if plan.metrics and plan.metrics.facts:
        yield Source("facts", lambda: facts.collect(force.plan()))


def asks_postgresql(plan: Plan) -> bool:
    """Whether the exporter can log in to PostgreSQL. The account that deploys has the passwords for
    one elsewhere; on the local target the exporter runs as that account."""
    return "postgres" in plan.services or plan.accounts.metrics == plan.accounts.deploy


def _postgresql(force: InForce, board: Board) -> Callable[[], Iterable[Sample]]:
    reader = postgres.Reader()

    def read() -> Iterable[Sample]:
        more = statements.QUERIES if board.is_watched() else {}
        answers = reader.read(force.plan(), more)
        board.detail(answers)
        return postgres.collect(answers)

    return read


class Collector(registry.Collector):
    """The interface that prometheus_client wants."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self.samples = samples

    def collect(self) -> Iterable[core.Metric]:
        """All families."""
        return model.families(self.samples)


def text(asked: Sources) -> bytes:
    """The answer to a scrape."""
    return exposition.generate_latest(Collector(asked.collect()))


def declared() -> list[model.Metric]:
    """Every metric of every source."""
    return list(model.CATALOGUE)


def plan_path() -> Path:
    """Where the plan in force is, as whoever starts the exporter says."""
    return Path(os.environ["STACK_PLAN"])
