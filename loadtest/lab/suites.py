"""What a run compares: ways to reach the database, web servers, or pages. A suite is a row of a
table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from loadtest.lab import design, gates, pages
from loadtest.lab.changes import CHANGES
from loadtest.lab.design import Design
from loadtest.lab.model import MIX, REFERENCE, TWIN
from loadtest.lab.pages import PAGES
from loadtest.lab.server import Strategy
from loadtest.lab.strategies import QUICK, STRATEGIES, of_project
from loadtest.lab.web import DAEMON, SERVERS, WebServer
from pgstack.planning.plan import Plan

MAIN = ("reconnect-tcp", "reconnect-socket", "patched-signal", REFERENCE)
"""strategies whose throughput over users and latency over rate is worth its time"""
LADDER_USERS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
OPEN_SHARES = (0.3, 0.5, 0.7, 0.9)
GOAL_ROUNDS = 3
"""of the reference's curves in a full run, which goals are about: the best of nine steps made once
is the luckiest"""
OPEN_USERS = 64
"""connections of an open loop: more than the web works on at a time, so that waiting happens in the
server"""

Name = Literal["strategies", "servers", "pages", "scaling", "tuning", "project"]


@dataclass(frozen=True)
class Suite:
    """`labels` are what is compared, with what it is, in the order of the report; ratios compare
    with `reference`."""

    name: Name
    labels: Mapping[str, str]
    reference: str
    subject: Callable[[str], tuple[Strategy, WebServer]]
    """what runs under a label"""
    quick: tuple[str, ...]
    """labels of a run that is not told which"""
    full: tuple[str, ...]
    """the same with FULL=1"""
    page: Callable[[str, str], str] = lambda label, page: page
    """(label, page of the run) → page that is asked for"""
    curves: tuple[str, ...] = ()
    """labels that FULL=1 also measures over users and over rates"""
    blocks: bool = True
    """False: nothing but these curves, for all labels of the run"""
    limits: bool = False
    """whether the limits of the machine belong to the answer"""
    fixed: tuple[str, ...] = ()
    """inputs that would mean nothing here"""

    def missing(self, label: str, plan: Plan) -> str | None:
        """Why `label` cannot run here, with the remedy; None when it can."""
        strategy, server = self.subject(label)
        return of_project.missing(strategy, plan) or strategy.missing(plan) or server.missing(plan)

    def mode(self, label: str) -> gates.Mode | None:
        """What the database must see of the connections of `label`; None where it says nothing."""
        mode = self.subject(label.removesuffix(TWIN))[0].connections
        return None if mode == "none" else mode

    def prepared(self, label: str) -> bool:
        """Whether the statements of `label` are parsed once and not for each request."""
        return self.subject(label.removesuffix(TWIN))[0].prepared

    def transactions(self, label: str, page: str) -> int | None:
        """Transactions of the pooler for each request of `label` for `page`; None where that is not
        known."""
        own = pages.transactions(page)
        return None if own is None else own + self.subject(label.removesuffix(TWIN))[0].transactions

    def slots(
        self, names: tuple[str, ...], users: int, rounds: int, seed: int, full: bool
    ) -> Design:
        """All trials of a run of `names`: the blocks, then over users, then over rates."""
        if not self.blocks:
            return self._ladder(names, range(rounds), seed) + self._open_loops(
                names, range(rounds), seed
            )
        made = design.blocks(names, rounds, users, seed, self.reference)
        if not full:
            return made
        curves, goals = tuple(name for name in self.curves if name in names), (self.reference,)
        made += self._ladder(curves, range(1), seed) + self._ladder(
            goals, range(1, GOAL_ROUNDS), seed
        )
        return (
            made
            + self._open_loops(curves, range(1), seed)
            + self._open_loops(goals, range(1, GOAL_ROUNDS), seed)
        )

    def _ladder(self, names: tuple[str, ...], rounds: range, seed: int) -> Design:
        return design.ladder(names, LADDER_USERS, rounds, seed, self.reference)

    def _open_loops(self, names: tuple[str, ...], rounds: range, seed: int) -> Design:
        return design.open_loops(names, OPEN_SHARES, OPEN_USERS, rounds, seed)


def _strategy(label: str) -> tuple[Strategy, WebServer]:
    return STRATEGIES[label], DAEMON


def _page(label: str, page: str) -> str:
    return STRATEGIES[label].page or page


_STRATEGIES = {name: strategy.meaning for name, strategy in STRATEGIES.items()}
_SERVERS = {name: server.meaning for name, server in SERVERS.items()}
SUITES: dict[str, Suite] = {
    suite.name: suite
    for suite in (
        Suite(
            "strategies",
            _STRATEGIES,
            REFERENCE,
            _strategy,
            QUICK,
            tuple(STRATEGIES),
            _page,
            curves=MAIN,
            limits=True,
        ),
        Suite(
            "servers",
            _SERVERS,
            DAEMON.name,
            lambda label: (STRATEGIES[REFERENCE], SERVERS[label]),
            tuple(SERVERS),
            tuple(SERVERS),
            curves=tuple(SERVERS),
            limits=True,
            fixed=("STRATEGIES",),
        ),
        Suite(
            "pages",
            PAGES,
            "/db",
            lambda label: (STRATEGIES[REFERENCE], DAEMON),
            tuple(PAGES),
            tuple(PAGES),
            lambda label, page: label,
            fixed=("STRATEGIES", "PAGE"),
        ),
        Suite(
            "scaling",
            _STRATEGIES,
            REFERENCE,
            _strategy,
            MAIN,
            MAIN,
            _page,
            blocks=False,
            fixed=("USERS", "COMPARE"),
        ),
        Suite(
            "project",
            _STRATEGIES,
            REFERENCE,
            _strategy,
            QUICK,
            tuple(STRATEGIES),
            lambda label, page: MIX,
            fixed=("PAGE", "SUITE", "COMPARE"),
        ),
        Suite(
            "tuning",
            {name: change.meaning for name, change in CHANGES.items()},
            "as-planned",
            lambda label: (CHANGES[label].strategy, CHANGES[label].server),
            tuple(CHANGES),
            tuple(CHANGES),
        ),
    )
}
