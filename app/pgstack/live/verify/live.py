"""What the live servers answer: asked once where several checks need it, and not again after a
failure."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import psycopg2

from pgstack.errors import ProbeError
from pgstack.live.probes import pooler, postgres, web
from pgstack.live.probes.web import Survey
from pgstack.planning import layout
from pgstack.planning.plan import Plan

LATE = ("timed out", "status 504")
"""in the errors of a request that no thread took in time"""


class ServerUnreachable(ProbeError):
    """A server gave no answer."""


class CheckSkipped(ProbeError):
    """A server is not asked, because it gave no answer before."""


class Live:
    """The running stack of one plan."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._silent: set[str] = set()

    @cached_property
    def monitor(self) -> Any:
        """One connection to PostgreSQL as the monitor: it has few to spare. Raises
        ServerUnreachable or CheckSkipped."""
        with self._remembered("PostgreSQL"):
            return postgres.connect(self.plan, self.plan.roles.monitor)

    def show(self, what: str) -> list[dict[str, Any]]:
        """Rows of PgBouncer's `SHOW what`, of all there are together. Raises ServerUnreachable the
        first time that nothing comes, then CheckSkipped."""
        with self._remembered("PgBouncer"):
            return pooler.show(what, self.plan)

    def shown(self, what: str, port: int) -> list[dict[str, Any]]:
        """The same of one PgBouncer."""
        with self._remembered("PgBouncer"):
            return pooler.shown(what, self.plan, port)

    @contextlib.contextmanager
    def clients(
        self, count: int, database: str | None = None, port: int | None = None
    ) -> Iterator[list[Any]]:
        """Connections through the pooler with the web's login, each statement its own transaction;
        to the pages' pool, or that of another `database`, at the first PgBouncer or that of another
        `port`.

        Raises ServerUnreachable, also when a statement inside gets no answer, and CheckSkipped
        after that.
        """
        with self._remembered("PgBouncer"), contextlib.ExitStack() as open_:
            yield [
                open_.enter_context(contextlib.closing(self._connect(database, port)))
                for _ in range(count)
            ]

    def _connect(self, database: str | None, port: int | None) -> Any:
        client = psycopg2.connect(
            host=self.plan.paths.run_pooler,
            port=port or self.plan.pooler.port,
            user=layout.own_login(self.plan, self.plan.pooler.web_login),
            dbname=database or self.plan.postgres.database,
            application_name="probe",
        )
        client.autocommit = True
        return client

    @contextlib.contextmanager
    def _remembered(self, server: str) -> Iterator[None]:
        self._require_answers(server)
        try:
            yield
        except (ProbeError, psycopg2.OperationalError) as error:
            self._silent.add(server)
            raise ServerUnreachable(f"{server}: {str(error).strip()}") from error

    def _require_answers(self, server: str) -> None:
        if server in self._silent:
            raise CheckSkipped(f"{server} gave no answer before")

    @cached_property
    def config(self) -> dict[str, str]:
        """SHOW CONFIG by name. Raises ServerUnreachable or CheckSkipped."""
        return {row["key"]: str(row["value"] or "") for row in self.show("CONFIG")}

    @cached_property
    def web(self) -> web.Survey:
        """An answer of every request thread. They need the pooler: raises CheckSkipped when it was
        silent."""
        self._require_answers("PgBouncer")
        return web.survey(self.plan)

    @cached_property
    def lanes(self) -> dict[str, Survey]:
        """The same of each lane, by name. Raises CheckSkipped where one is full: that is what it is
        for."""
        self._require_answers("PgBouncer")
        surveys = {lane.name: web.survey(self.plan, lane) for lane in self.plan.lanes}
        for name, survey in surveys.items():
            if any(late in error for error in survey.errors for late in LATE):
                raise CheckSkipped(f"the threads of lane {name} are all taken: {survey.errors[0]}")
        return surveys


def ask(client: Any, statement: str) -> Any:
    """The first value of one statement."""
    with client.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()[0]
