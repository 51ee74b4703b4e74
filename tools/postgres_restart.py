"""PostgreSQL of the Compose stack reads its files again, or restarts while requests wait at
PgBouncer."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import containers
import pooler_takeover
import web_takeover
from containers import Container
from debian import ToolError, say
from pgstack.ops import drain, lines, postgres

if TYPE_CHECKING:
    from pgstack.planning.plan import Plan

START_SECONDS = 30
REREAD_SECONDS = 1
"""its processes read their files a moment after the reload"""


def parse(plan: Plan) -> None:
    """Let the server's own parser read the files that are there. Raises ToolError."""
    if plan.external:
        return
    server = containers.only_container("postgres").id
    done = containers.execute(server, *postgres.parse(plan, plan.paths.conf))
    if done.returncode:
        complaint = postgres.complaint(containers.output_of(done))
        raise ToolError(f"PostgreSQL refuses the new configuration: {complaint}")


def apply(plan: Plan, web: Container, pooler: Container) -> None:
    """Bring the files that are there into force. Raises ToolError."""
    if plan.external:
        return  # `configure` has made its roles
    server = containers.only_container("postgres")
    if wrong := _ask(server, plan, lines.WRONG):
        told = "; ".join(wrong.splitlines())
        raise ToolError(f"PostgreSQL refuses the new configuration: {told}")
    _ask(server, plan, "SELECT pg_reload_conf()")
    _ask(server, plan, f"SELECT pg_sleep({REREAD_SECONDS})")
    _roles(server, plan)
    if _ask(server, plan, lines.WAITING) == "0":
        say("reread    PostgreSQL")
        return
    with web_takeover.no_keepalive(web):
        _ask(server, plan, "CHECKPOINT")
        begun = time.monotonic()
        with pooler_takeover.paused(pooler, plan):
            _restart(plan)
        say(f"restarted PostgreSQL in {time.monotonic() - begun:.1f} s, while requests waited")
        time.sleep(drain.SETTLE_SECONDS)


def _restart(plan: Plan) -> None:
    """Restart the server, and wait until it answers. Raises ToolError."""
    server = containers.only_container("postgres")
    containers.require("restart", server.id)
    if not containers.wait(lambda: _answers(server, plan), START_SECONDS):
        logs = containers.output_of(containers.run("logs", "--tail=20", server.id)).splitlines()
        wrong = [line for line in logs if "FATAL" in line or "ERROR" in line]
        raise ToolError(f"PostgreSQL does not start: {(wrong or logs or ['no output'])[-1]}")


def _answers(server: Container, plan: Plan) -> bool:
    try:
        return _ask(server, plan, "SELECT 1") == "1"
    except ToolError:
        return False


def _roles(server: Container, plan: Plan) -> None:
    """Roles and rights as the script says. Raises ToolError."""
    script = f"{plan.paths.conf}/postgres/roles.sql"
    containers.require("exec", server.id, *_psql(plan, f"--file={script}"))


def _ask(server: Container, plan: Plan, statement: str) -> str:
    """The answer to a query as the administrator. Raises ToolError."""
    done = containers.execute(server.id, *_psql(plan, f"--command={statement}"))
    if done.returncode:
        raise ToolError(f"PostgreSQL: {containers.last_words(containers.output_of(done))}")
    return done.stdout.decode().strip()


def _psql(plan: Plan, what: str) -> list[str]:
    """Words of the administrator."""
    place = plan.paths.run_postgres, plan.postgres.port, "postgres"
    return postgres.psql(*place, what, user=plan.roles.admin)
