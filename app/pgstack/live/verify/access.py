"""Checks of who gets in, where, and what the roles may do."""

from __future__ import annotations

import ipaddress
import os
import pwd
from collections import Counter
from collections.abc import Iterable
from typing import Any

import psutil
import psycopg2
from django.db import connections, transaction

from pgstack.errors import ProbeError
from pgstack.live.probes import local, logins, postgres
from pgstack.live.verify.finding import Outcome, judge
from pgstack.live.verify.live import Live
from pgstack.planning import targets
from pgstack.planning.plan import Plan

ENGINE_RESOLVER = "127.0.0.11"
"""Docker's own name server, inside every container on a network"""
ENDING_SECONDS = 2
"""in which a process that ends has ended"""

EVERYBODY = "may create temporary tables"
"""a right that everybody has in a database, if nobody takes it away"""
RIGHTS = """
    SELECT 'owns ' || pg_describe_object(classid, objid, objsubid) FROM pg_shdepend
     WHERE refclassid = 'pg_authid'::regclass AND refobjid = %(role)s::regrole AND deptype = 'o'
       AND dbid IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
    UNION ALL SELECT format('is member of %%s', roleid::regrole) FROM pg_auth_members
               WHERE member = %(role)s::regrole
    UNION ALL SELECT format('may create in schema %%s', nspname) FROM pg_namespace
               WHERE has_schema_privilege(%(role)s, oid, 'CREATE')
    UNION ALL SELECT 'may create schemas'
               WHERE has_database_privilege(%(role)s, current_database(), 'CREATE')
    UNION ALL SELECT %(temporary)s
               WHERE has_database_privilege(%(role)s, current_database(), 'TEMP')
    UNION ALL SELECT format('may write table %%s', oid::regclass) FROM pg_class
               WHERE relname = 'django_migrations' AND relkind IN ('r', 'p')
                 AND has_table_privilege(%(role)s, oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
    UNION ALL SELECT format('may execute %%s', name) FROM unnest(%(functions)s::text[]) AS name
               WHERE has_function_privilege(%(role)s, name, 'EXECUTE') AND NOT EXISTS (
                     SELECT FROM pg_proc, aclexplode(proacl) AS granted
                      WHERE pg_proc.oid = name::regprocedure AND grantor = %(owner)s::regrole
                        AND grantee IN (%(role)s::regrole, %(app)s::regrole))
    UNION ALL SELECT 'has an attribute beyond LOGIN' FROM pg_roles WHERE oid = %(role)s::regrole
                 AND (rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls)"""

RULES = """
    SELECT line_number, type, coalesce(auth_method, ''), coalesce(address, ''),
           coalesce(netmask, ''), coalesce(error, '')
      FROM pg_hba_file_rules"""

REMEDY = "Render the login rules again: `make down up`."

PROBE_TABLE = "CREATE TABLE stack_verify_probe ()"


def web_role(live: Live) -> Outcome:
    """The role of the web owns nothing, has no right to create, and is refused when it tries."""
    plan, role = live.plan, live.plan.roles.app
    wrong = _rights(live, role, {EVERYBODY} if plan.external else set())
    if not wrong and _creates_tables(live):
        wrong = [f"{role} created a table"]
    remedy = f"Take it back: REASSIGN OWNED BY {role}, REVOKE."
    return judge(wrong, f"{role} owns nothing, CREATE TABLE is refused", remedy)


def worker_role(live: Live) -> Outcome:
    """The role of workers past PgBouncer has the rights of pages, no more, and the planned limit
    of sessions."""
    role, limit = live.plan.roles.worker, live.plan.postgres.direct_connections
    wrong = _rights(live, role, {f"is member of {live.plan.roles.app}"})
    asked = "SELECT rolconnlimit FROM pg_roles WHERE oid = %s::regrole"
    (granted,) = postgres.query(live.monitor, asked, (role,))[0]
    wrong += [f"{role} may have {granted} sessions, planned {limit}"] if granted != limit else []
    remedy = f"Apply roles.sql again: `make down up`. If {role} owns anything: REASSIGN OWNED."
    return judge(wrong, f"{role}: {limit} sessions, and what pages may do", remedy)


def _rights(live: Live, role: str, allowed: set[str]) -> list[str]:
    """What `role` may do, owns or is beyond its part and `allowed`."""
    asked = {
        "role": role,
        "app": live.plan.roles.app,
        "owner": live.plan.roles.owner,
        "functions": list(live.plan.postgres.closed_functions),
        "temporary": EVERYBODY,
    }
    rights = [row[0] for row in postgres.query(live.monitor, RIGHTS, asked)]
    return [f"{role} {right}" for right in rights if right not in allowed]


def _creates_tables(live: Live) -> bool:
    with live.clients(1) as (client,):
        client.autocommit = False
        try:
            with client.cursor() as cursor:
                cursor.execute(PROBE_TABLE)
        except psycopg2.errors.InsufficientPrivilege:
            return False
        finally:
            client.rollback()
    return True


def direct_role(live: Live) -> Outcome:
    """Django's alias `direct` may create a table; it is rolled back."""
    try:
        with transaction.atomic("direct"), connections["direct"].cursor() as cursor:
            cursor.execute(PROBE_TABLE)
            transaction.set_rollback(True, "direct")
    finally:
        connections["direct"].close()
    return Outcome(True, f"{live.plan.roles.owner} created a table, rolled back")


def listeners(live: Live) -> Outcome:
    """Only Apache's port is open, and neither PostgreSQL nor PgBouncer is configured to listen.

    A host has other listeners, such as that of SSH: there the ports of these two must be closed.
    """
    plan, ports = live.plan, set(_listening(live.plan))
    others = (
        ports & {plan.postgres.port, *(process.port for process in plan.pooler.processes)}
        if targets.of(plan.target).shared
        else ports - {plan.site.port, *plan.site.instance_ports.values()}
    )
    wrong = [f"a listener on TCP port {port}" for port in sorted(others)]
    if plan.external is None:
        asked = postgres.settings(live.monitor, ["listen_addresses"])["listen_addresses"]
        own = plan.postgres.settings.get("listen_addresses")
        planned = plan.cluster.databases.values() if plan.cluster else (own,)
        runs = f"PostgreSQL runs with listen_addresses = {asked!r}"
        wrong += [runs] if asked not in planned else []
    told = live.config["listen_addr"]
    wrong += [f"PgBouncer runs with listen_addr = {told!r}"] if told else []
    remedy = "Set listen_addresses as planned and empty listen_addr: `make down up`."
    closed = (
        f"neither {plan.postgres.port} nor {plan.pooler.port} is open"
        if targets.of(plan.target).shared
        else ""
    )
    return judge(wrong, closed or f"TCP port {plan.site.port} only", remedy)


def _listening(plan: Plan) -> list[int]:
    """Ports with a listener: of this stack's processes locally, of the whole network namespace
    elsewhere."""
    if not targets.of(plan.target).sees_processes:
        return _ports(psutil.net_connections("tcp"))
    return [port for process in local.processes(plan) for port in _ports(_connections(process))]


def _connections(process: psutil.Process) -> list[Any]:
    """TCP connections and listeners of a process; none of one that ends. Raises ProbeError."""
    try:
        return list(process.net_connections("tcp"))
    except psutil.NoSuchProcess:
        return []
    except psutil.AccessDenied as error:  # while a process ends its files are root's
        if psutil.wait_procs([process], timeout=ENDING_SECONDS)[1]:
            raise ProbeError(
                f"process {process.pid}: /proc/{process.pid}/fd cannot be read."
            ) from error
        return []


def _ports(sockets: Iterable[Any]) -> list[int]:
    listening = [
        connection.laddr for connection in sockets if connection.status == psutil.CONN_LISTEN
    ]
    return [address.port for address in listening if address.ip != ENGINE_RESOLVER]


def login_rules(live: Live) -> Outcome:
    """PostgreSQL's files of rules have no error, and let in only the planned accounts and,
    over TLS with a password, the planned networks."""
    rules = postgres.query(live.monitor, RULES)
    allowed = {("local", "peer", "", ""), ("local", "reject", "", "")}
    members = live.plan.cluster.databases.values() if live.plan.cluster else ()
    for network in map(ipaddress.ip_network, (*live.plan.postgres.web_addresses, *members)):
        allowed.add(
            ("hostssl", "scram-sha-256", str(network.network_address), str(network.netmask))
        )
    wrong = [
        f"pg_hba.conf:{line}: {error or ' '.join(rule).strip()}"
        for line, *rule, error in rules
        if error or tuple(rule) not in allowed
    ]
    rows = postgres.query(
        live.monitor, "SELECT sys_name, pg_username, error FROM pg_ident_file_mappings"
    )
    wrong += [f"pg_ident.conf: {error}" for *_, error in rows if error]
    mapped = {(account, role) for account, role, error in rows if not error}
    planned = {(identity.account, identity.role) for identity in live.plan.postgres.identities}
    wrong += [
        f"pg_ident.conf lets {account} in as {role}" for account, role in sorted(mapped - planned)
    ]
    wrong += [
        f"pg_ident.conf keeps {account} out as {role}" for account, role in sorted(planned - mapped)
    ]
    over = (
        f"TLS for {', '.join(live.plan.postgres.web_addresses)}"
        if live.plan.postgres.web_addresses
        else "no TCP"
    )
    return judge(wrong, f"{len(rules)} rules, {len(planned)} accounts mapped, {over}", REMEDY)


def own_logins(live: Live) -> Outcome:
    """This account gets in as the planned roles and as no other; TCP without TLS lets nobody in."""
    return _judge_logins(live.plan, _account(), logins.attempt_all(live.plan))


def stranger(plan: Plan) -> Outcome:
    """The account of this process, which the plan does not know, is refused."""
    return _judge_logins(plan, _account(), logins.attempt_all(plan))


def strangers(plan: Plan) -> Outcome:
    """An account that the plan does not know is refused: as it is, and once the kernel lets it
    reach the sockets. Must run as root, before root is given up."""
    if os.geteuid() != 0:
        return Outcome(
            None,
            "another account: only root can become one",
            targets.of(plan.target).try_strangers,
        )
    outside = logins.attempt_all_as_stranger(plan, past_directories=False)
    inside = logins.attempt_all_as_stranger(plan, past_directories=True)
    return _judge_logins(plan, logins.STRANGER, [*outside, *inside])


def _account() -> str:
    return pwd.getpwuid(os.geteuid()).pw_name


def _judge_logins(plan: Plan, account: str, tried: list[logins.Login]) -> Outcome:
    door, known = (
        ("socket", plan.postgres.identities) if not plan.apart else ("TLS", plan.postgres.passwords)
    )
    planned = {("PostgreSQL", door, login.role) for login in known if login.account == account}
    planned |= {
        ("PgBouncer", "socket", identity.role)
        for identity in plan.pooler.identities
        if identity.account == account
    }
    wrong = []
    for login in tried:
        where = f"as {login.role} at {login.server} over {login.over}"
        expected = (login.server, login.over, login.role) in planned
        if login.refusal is None and not expected:
            wrong.append(f"{account} gets in {where}")
        elif login.refusal is not None and expected:
            wrong.append(f"{account} is refused {where}: {login.refusal}")
    kinds = Counter(
        "in as planned" if login.refusal is None else login.refused_by for login in tried
    )
    detail = f"{account}: " + ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    return judge(list(dict.fromkeys(wrong)), detail, REMEDY)
