"""Sessions that lock, are forgotten, or are too many."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack

from drills.incidents.scene import SLEEP, Scene, incident
from fixtures.local_stack import owner

FREE = (
    "SELECT current_setting('max_connections')::int"
    " - current_setting('superuser_reserved_connections')::int"
    " - count(*) FROM pg_stat_activity"
    " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
)
CLIENTS = """
import os, psycopg2, pwd, sys, time
place, count = sys.argv[1:]
name = pwd.getpwuid(os.getuid()).pw_name
kept = [psycopg2.connect(host=place, port=6432, user=name, dbname="app")
        for _ in range(int(count))]
time.sleep(3600)
"""


@incident("a table locked, sixteen visitors on its page", "LocksBlock")
def table_locked(scene: Scene) -> Iterator[None]:
    lock = "LOCK TABLE world IN ACCESS EXCLUSIVE MODE"
    with scene.crowd("db", 16), scene.session("BEGIN", lock, SLEEP):
        yield


@incident("a transaction left open that no timeout ends", "IdleInTransaction")
def idle_in_transaction(scene: Scene) -> Iterator[None]:
    with scene.session("SET idle_in_transaction_session_timeout = 0", "BEGIN", "SELECT 1"):
        yield


@incident("an administrator's program that takes all connections but one", "ConnectionsRunOut")
def connections_taken(scene: Scene) -> Iterator[None]:
    free = int(scene.stack.sql(FREE))
    with ExitStack() as ends:
        for _ in range(free - 1):
            ends.enter_context(scene.session("SELECT 1"))
        yield


@incident("a program with a client for nine in ten that PgBouncer takes", "PoolerClientsRunOut")
def pooler_clients_taken(scene: Scene) -> Iterator[None]:
    count = scene.plan.pooler.max_client_conn * 19 // 20
    words = [sys.executable, "-c", CLIENTS, str(scene.stack.directory / "run/pooler"), str(count)]
    with subprocess.Popen(owner(scene.stack.directory, words)) as clients:
        try:
            yield
        finally:
            clients.terminate()
