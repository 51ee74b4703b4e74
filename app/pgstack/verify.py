"""Proof that the running stack is the one that was planned: each check asks the live servers."""

from __future__ import annotations

import contextlib
import stat
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg2

from pgstack import invariants
from pgstack.errors import StackError
from pgstack.plan import Plan
from pgstack.probes import pooler, postgres, web

ENGINE_RESOLVER = "127.0.0.11"
"""Docker's own name server, inside every container on a network"""

REQUESTS = 40
"""requests sent to see that they pass through the pooler"""


@dataclass(frozen=True)
class Finding:
    """What one check found. `remedy` is empty when it holds."""

    check: str
    holds: bool
    found: str
    remedy: str = ""


def verify(plan: Plan) -> list[Finding]:
    """Every check, in an order that names causes before consequences. Never raises for a broken stack."""
    findings = []
    for name, check in CHECKS.items():
        try:
            findings.append(check(plan, name))
        except (StackError, OSError, psycopg2.Error) as error:
            findings.append(Finding(name, False, str(error).strip(), "Start the stack with `make up`."))
    return findings


def _differences(name: str, wrong: dict[str, tuple[str, str]], count: int, remedy: str) -> Finding:
    if not wrong:
        return Finding(name, True, f"{count} settings equal the plan")
    text = "; ".join(f"{key}: planned {planned!r}, live {live!r}" for key, (planned, live) in wrong.items())
    return Finding(name, False, text, remedy)


def _inequalities(plan: Plan, name: str) -> Finding:
    broken = [rule for rule in invariants.check(plan) if not rule.holds]
    if broken:
        return Finding(name, False, "; ".join(rule.arithmetic for rule in broken), broken[0].remedy)
    return Finding(name, True, f"{len(invariants.check(plan))} inequalities hold, timeouts in order")


def _postgres_settings(plan: Plan, name: str) -> Finding:
    planned = plan.postgres.settings
    # Roles without special rights do not see where files lie.
    visible = {key: value for key, value in planned.items() if key not in ("hba_file", "ident_file")}
    wrong = postgres.different(visible, postgres.settings(plan, list(visible)))
    return _differences(name, wrong, len(visible), "Render again and restart PostgreSQL: `make down up`.")


def _role_settings(plan: Plan, name: str) -> Finding:
    rows = postgres.query(plan, "SELECT unnest(rolconfig) FROM pg_roles WHERE rolname = %s", (plan.roles.app,))
    live = dict(str(row[0]).split("=", 1) for row in rows)
    live = {key if key != "TimeZone" else "timezone": value for key, value in live.items()}
    wrong = postgres.different(plan.postgres.app_settings, live)
    return _differences(name, wrong, len(plan.postgres.app_settings), "Apply roles.sql again: `make up`.")


def _pooler_settings(plan: Plan, name: str) -> Finding:
    live = {row["key"]: str(row["value"] or "") for row in pooler.show("CONFIG")}
    planned = {**plan.pooler.settings, "listen_addr": ""}
    wrong = {
        key: (value, live.get(key, "missing"))
        for key, value in planned.items()
        if not _same_number(value, live.get(key, "missing"))
    }
    return _differences(name, wrong, len(planned), "Reload PgBouncer with the rendered file: `make down up`.")


def _same_number(left: str, right: str) -> bool:
    if left.startswith("0") and left.isdigit():  # a file mode; PgBouncer 1.18 shows it in decimal
        return right in (left, str(int(left, 8)))
    with contextlib.suppress(ValueError):
        return float(left) == float(right)
    return left == right


def _daemons(plan: Plan, name: str) -> Finding:
    answers = _probes(plan, 4 * plan.web.requests)
    processes = {answer["process"] for answer in answers}
    counts = {(answer["processes"], answer["threads"]) for answer in answers}
    found = f"{len(processes)} processes answered, each says (processes, threads) = {sorted(counts)}"
    holds = counts == {(plan.web.processes, plan.web.threads)} and len(processes) <= plan.web.processes
    remedy = f"The plan has {plan.web.processes} x {plan.web.threads}. Render again and restart Apache: `make down up`."
    return Finding(name, holds, found, "" if holds else remedy)


def _probes(plan: Plan, count: int) -> list[dict[str, Any]]:
    with ThreadPoolExecutor(plan.web.requests) as threads:
        return list(threads.map(lambda _: web.probe(plan), range(count)))


def _through_pooler(plan: Plan, name: str) -> Finding:
    before = _transactions(plan)
    _probes(plan, REQUESTS)
    rise = _transactions(plan) - before
    holds = rise >= REQUESTS
    found = f"{REQUESTS} requests, {rise} transactions at PgBouncer"
    remedy = "The alias `default` bypasses the pooler; take it from pgstack.settings.databases()."
    return Finding(name, holds, found, "" if holds else remedy)


def _transactions(plan: Plan) -> int:
    rows = [row for row in pooler.show("STATS_TOTALS") if row["database"] == plan.postgres.database]
    return sum(int(row.get("xact_count", row.get("total_xact_count", 0))) for row in rows)


@contextlib.contextmanager
def _clients(plan: Plan, count: int) -> Iterator[list[Any]]:
    """Connections to the pooler, in autocommit."""
    clients: list[Any] = []
    try:
        for _ in range(count):
            client = psycopg2.connect(
                host=plan.paths.run_pooler, port=plan.pooler.port, user=plan.pooler.web_login,
                dbname=plan.postgres.database, application_name="probe",
            )  # fmt: skip
            client.autocommit = True
            clients.append(client)
        yield clients
    finally:
        for client in clients:
            client.close()


def _ask(client: Any, statement: str) -> Any:
    with client.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()[0] if cursor.description else None


def _transaction_pooling(plan: Plan, name: str) -> Finding:
    """More clients than backends may exist: some must share one, which session pooling never allows."""
    count = plan.pooler.max_db_connections + 1
    remedy = "Set pool_mode = transaction: render again and reload PgBouncer."
    try:
        with _clients(plan, count) as clients:
            backends = {_ask(client, "SELECT pg_backend_pid()") for client in clients}
    except psycopg2.Error as error:
        return Finding(name, False, f"{count} clients do not get a transaction each: {str(error).strip()}", remedy)
    holds = len(backends) < count
    return Finding(name, holds, f"{count} clients shared {len(backends)} backends", "" if holds else remedy)


def _web_role(plan: Plan, name: str) -> Finding:
    statement = """
        SELECT format('owns %%s', oid::regclass) FROM pg_class WHERE relowner = %(role)s::regrole
        UNION ALL SELECT format('owns schema %%s', nspname) FROM pg_namespace WHERE nspowner = %(role)s::regrole
        UNION ALL SELECT format('owns database %%s', datname) FROM pg_database WHERE datdba = %(role)s::regrole
        UNION ALL SELECT format('is member of %%s', roleid::regrole) FROM pg_auth_members
                   WHERE member = %(role)s::regrole
        UNION ALL SELECT 'has an attribute beyond LOGIN' FROM pg_roles WHERE oid = %(role)s::regrole
                     AND (rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls)"""
    rights = [row[0] for row in postgres.query(plan, statement, {"role": plan.roles.app})]
    with _clients(plan, 1) as (client,):
        try:
            _ask(client, "CREATE TABLE stack_verify_probe ()")
            _ask(client, "DROP TABLE stack_verify_probe")
            rights.append("can create tables")
        except psycopg2.errors.InsufficientPrivilege:
            pass
    if not rights:
        return Finding(name, True, f"{plan.roles.app} owns nothing and CREATE TABLE is refused")
    remedy = f"Take it back from {plan.roles.app}: REASSIGN OWNED, REVOKE."
    return Finding(name, False, f"{plan.roles.app} {', '.join(rights)}", remedy)


def _direct_role(plan: Plan, name: str) -> Finding:
    statement = "CREATE TABLE stack_verify_probe (); SELECT 'created, rolled back'"
    return Finding(name, True, str(postgres.query(plan, statement, role=plan.roles.owner)[0][0]))


def _listeners(plan: Plan, name: str) -> Finding:
    wrong = sorted({port for port in _listening(plan) if port != plan.site.port})
    asked = postgres.settings(plan, ["listen_addresses"])["listen_addresses"]
    found = f"TCP listeners of the stack besides Apache: {wrong or 'none'}; listen_addresses = {asked!r}"
    holds = not wrong and not asked
    return Finding(name, holds, found, "" if holds else "Empty listen_addresses and listen_addr: `make down up`.")


def _listening(plan: Plan) -> list[int]:
    """Ports with a listener: of this stack's processes locally, of the whole network namespace elsewhere."""
    if plan.target != "local":
        return _ports(psutil.net_connections("tcp"))
    supervisor = psutil.Process(int(Path(plan.paths.root, "run/supervisord.pid").read_text()))
    ports = []
    for process in supervisor.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            ports += _ports(process.net_connections("tcp"))
    return ports


def _ports(connections: Iterable[Any]) -> list[int]:
    listening = [one.laddr for one in connections if one.status == psutil.CONN_LISTEN]
    return [address.port for address in listening if address.ip != ENGINE_RESOLVER]


def _strangers(plan: Plan, name: str) -> Finding:
    sockets = plan.paths.run_postgres, plan.paths.run_pooler
    open_ = [path for path in sockets if Path(path).stat().st_mode & stat.S_IRWXO]
    if open_:
        return Finding(name, False, f"{', '.join(open_)}: others may enter", f"chmod o-rwx {' '.join(open_)}")
    return Finding(name, True, "other accounts may not enter the socket directories")


CHECKS: dict[str, Callable[[Plan, str], Finding]] = {
    "plan is sound": _inequalities,
    "PostgreSQL runs the plan": _postgres_settings,
    "web role has its timeouts": _role_settings,
    "PgBouncer runs the plan": _pooler_settings,
    "daemon processes and threads": _daemons,
    "requests pass through PgBouncer": _through_pooler,
    "backends are shared by transactions": _transaction_pooling,
    "web role cannot DDL": _web_role,
    "direct alias can DDL": _direct_role,
    "only Apache listens on TCP": _listeners,
    "strangers cannot reach the sockets": _strangers,
}
