"""Attempts to log in: as this account, and as one that the plan does not know."""

from __future__ import annotations

import ctypes
import itertools
import os
import pwd
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import psycopg2

from pgstack.errors import ProbeError
from pgstack.live.probes import postgres
from pgstack.planning.plan import Plan

STRANGER = "nobody"
"""the account that every Debian has and nothing belongs to"""

LOOPBACK, TCP = "127.0.0.1", "TCP"
PLAIN = "TCP without TLS"
NO_PASSWORDS = "/nonexistent"
"""libpq asks for no file that there is not"""

# Refusals at a socket as the kernel, PostgreSQL and PgBouncer word them; anything else proves
# nothing.
BY_DIRECTORY, NO_LISTENER = "Permission denied", "Connection refused"
BY_SERVER = (
    "Peer authentication failed",
    "pg_hba.conf rejects",
    "no pg_hba.conf entry",
    "password authentication failed",
    "no password supplied",
    "login rejected",
    "no such user",
    "no authentication method",
)
ANOTHER_SERVER = "another stack's server"


@dataclass(frozen=True)
class Door:
    """Where a login is tried."""

    server: str
    over: str
    host: str
    port: int


@dataclass(frozen=True)
class Login:
    """One attempt, `over` the socket, TLS or TCP; `refusal` is None when it succeeded."""

    server: str
    over: str
    role: str
    refusal: str | None

    @property
    def refused_by(self) -> str:
        """What kind of refusal it was."""
        kinds = {BY_DIRECTORY: "refused by a directory", NO_LISTENER: "without a listener"}
        return kinds.get(self.refusal or "", "refused by a server")


def attempt_all(plan: Plan, passwords: bool = True) -> list[Login]:
    """Every role at both servers over socket and TCP, as the account of this process.

    Where PostgreSQL is on another host, over TLS and without it; with the passwords that this
    account may read, or without `passwords`. Raises ProbeError when a server does not answer where
    it should, or gives an answer other than a refusal.
    """
    roles = dict.fromkeys(
        [*plan.roles.model_dump().values(), plan.pooler.web_login, plan.pooler.monitor_login]
    )
    doors = [
        *_doors_of_postgres(plan),
        *(
            Door("PgBouncer", "socket", plan.paths.run_pooler, process.port)
            for process in plan.pooler.processes
        ),
        *([] if plan.external else [Door("PostgreSQL", TCP, LOOPBACK, plan.postgres.port)]),
        Door("PgBouncer", TCP, LOOPBACK, plan.pooler.port),
    ]
    return [
        Login(door.server, door.over, role, _refusal(plan, door, role, _more(door.over, passwords)))
        for door, role in itertools.product(doors, roles)
    ]


def _doors_of_postgres(plan: Plan) -> list[Door]:
    host, port = plan.postgres.host, plan.postgres.port
    if not plan.apart:
        return [Door("PostgreSQL", "socket", host, port)]
    over_tls = Door("PostgreSQL", "TLS", host, port)
    # Whether an external one lets anybody in without TLS is its administrator's affair.
    return [over_tls] if plan.external else [over_tls, Door("PostgreSQL", PLAIN, host, port)]


def _more(over: str, passwords: bool) -> dict[str, str]:
    """Parameters of libpq that differ from the plan's."""
    mode = {"sslmode": "disable"} if over == PLAIN else {}
    return mode if passwords else {**mode, "passfile": NO_PASSWORDS}


def _refusal(plan: Plan, door: Door, role: str, more: dict[str, str]) -> str | None:
    """Why `role` does not get in; None when it does."""
    try:
        if door.server == "PostgreSQL" and door.over != TCP:
            connection = postgres.connect(plan, role, **more)
        else:
            connection = psycopg2.connect(
                host=door.host, port=door.port, user=role, dbname=plan.postgres.database
            )
    except psycopg2.OperationalError as error:
        text = str(error).strip()
        if door.over == TCP:  # whatever else answers there, it lets nobody in
            return NO_LISTENER if NO_LISTENER in text else "no login"
        known = next((kind for kind in (BY_DIRECTORY, *BY_SERVER) if kind in text), None)
        if known is None:
            raise ProbeError(f"login as {role} at {door.host}, port {door.port}: {text}") from error
        return known
    ours = plan.postgres.settings.get("cluster_name")
    try:
        # On TCP somebody else's server may answer.
        return ANOTHER_SERVER if door.over == TCP and _cluster(connection) != ours else None
    finally:
        connection.close()


def _cluster(connection: psycopg2.extensions.connection) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SHOW cluster_name")
        return str(cursor.fetchall()[0][0])


def attempt_all_as_stranger(plan: Plan, past_directories: bool) -> list[Login]:
    """The same as STRANGER, in a process of its own. Only root can.

    With `past_directories` the kernel lets that process through all directories and sockets, so
    that the servers themselves have to refuse it; it then gets no password from a file. Raises
    ProbeError when this process may not become STRANGER.
    """
    if os.geteuid() != 0:
        raise ProbeError(f"only root can become {STRANGER}")
    with ProcessPoolExecutor(
        1, get_context("fork"), _become_stranger, (past_directories,)
    ) as child:
        return child.submit(attempt_all, plan, passwords=not past_directories).result()


def _become_stranger(past_directories: bool) -> None:
    entry = pwd.getpwnam(STRANGER)
    os.setgroups([])
    os.setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid)
    os.setresuid(entry.pw_uid, entry.pw_uid, 0 if past_directories else entry.pw_uid)
    if past_directories:
        # Rights on files follow this id; the servers are told the effective one (SO_PEERCRED),
        # which stays.
        ctypes.CDLL(None).setfsuid(0)
