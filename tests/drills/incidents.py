"""What each alert is for, done to a local stack: the alerts that it must raise, and the end of
it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import requests

from drills.catalogue import spoil_page
from fixtures import certificates
from fixtures.local_stack import LocalStack, owner
from fixtures.prometheus import SCRAPE_SECONDS
from pgstack.planning import layout, services
from pgstack.planning.plan import Plan

PAGES = """
from django.db import connection

def slow(request):
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(0.5)")
    return HttpResponse("slept")

def broken(request):
    raise KeyError("the reason")

urlpatterns += [path("slow", slow), path("broken", broken)]
"""
"""to be added to the demo's addresses"""
CROWD = 64
"""visitors at a time, each with the next request at once"""


@dataclass(frozen=True)
class Scene:
    """A stack with these pages and a pool of two, a directory for certificates, and one that is a
    small disk of its own."""

    stack: LocalStack
    certificates: Path
    disk: Path

    @property
    def plan(self) -> Plan:
        return Plan.model_validate_json((self.stack.directory / "conf/plan.json").read_text())

    def session(self) -> psycopg2.extensions.connection:
        """Of the administrator."""
        place, account = self.stack.directory / "run/postgres", self.stack.directory.stat().st_uid
        os.seteuid(account)  # whom PostgreSQL lets in as itself
        try:
            return psycopg2.connect(host=str(place), user="postgres", dbname="app")
        finally:
            os.seteuid(0)

    def ask(self, page: str) -> int:
        """Status; 0 where nobody answers."""
        with suppress(requests.RequestException):
            return requests.get(f"{self.stack.url}/{page}", timeout=60, verify=False).status_code
        return 0


@dataclass(frozen=True)
class Incident:
    """The words are those of the table in docs/alerts.md."""

    words: str
    alerts: frozenset[str]
    provoke: Callable[[Scene], AbstractContextManager[None]]
    longest: int = 240
    """seconds until they fire"""


INCIDENTS: list[Incident] = []


def incident(words: str, *alerts: str, longest: int = 240) -> Callable[[Any], Any]:
    """Add one to the list: a generator that does it, and undoes it after its `yield`."""

    def add(function: Callable[[Scene], Iterator[None]]) -> Any:
        INCIDENTS.append(Incident(words, frozenset(alerts), contextmanager(function), longest))
        return function

    return add


@contextmanager
def _halted(scene: Scene, program: str) -> Iterator[None]:
    """Stopped by a signal, with the guard that would have it go on."""
    halted = [pid for name in ("guard", program) for pid in _family(int(scene.stack.pid(name)))]
    for pid in halted:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in reversed(halted):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def _family(pid: int) -> list[int]:
    with suppress(psutil.NoSuchProcess):
        return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
    return []


@contextmanager
def _crowd(scene: Scene, page: str, count: int = CROWD, pause: float = 0) -> Iterator[None]:
    over = threading.Event()

    def visit() -> None:
        while not over.wait(pause):
            scene.ask(page)

    visitors = [threading.Thread(target=visit) for _ in range(count)]
    for visitor in visitors:
        visitor.start()
    try:
        yield
    finally:
        over.set()
        for visitor in visitors:
            visitor.join()


@incident("Apache hangs (SIGSTOP)", "SiteDown")
def apache_hangs(scene: Scene) -> Iterator[None]:
    with _halted(scene, "apache"):
        yield


@incident("the exporter hangs (SIGSTOP)", "ExporterSilent")
def exporter_hangs(scene: Scene) -> Iterator[None]:
    with _halted(scene, "metrics"):
        yield


@incident("PostgreSQL hangs (SIGSTOP)", "PostgreSQLDown", "SiteDown")
def postgresql_hangs(scene: Scene) -> Iterator[None]:
    with _halted(scene, "postgres"):
        yield


@incident("PgBouncer hangs (SIGSTOP)", "PgBouncerDown", "SiteDown")
def pgbouncer_hangs(scene: Scene) -> Iterator[None]:
    with _halted(scene, "pgbouncer"):
        yield


@incident("four visitors on a page that raises", "ServerErrors")
def page_raises(scene: Scene) -> Iterator[None]:
    with _crowd(scene, "broken", 4, pause=0.5):
        yield


@incident(
    f"{CROWD} visitors on a page with half a second of SQL, in a pool of two",
    "RequestsQueue",
    "PoolWaits",
)
def crowd_queues(scene: Scene) -> Iterator[None]:
    with _crowd(scene, "slow"):
        yield


@incident("a client for each of Apache's workers, with half a request", "WorkersTaken")
def slow_clients(scene: Scene) -> Iterator[None]:
    over = threading.Event()
    count = scene.plan.apache.max_request_workers

    def hold(first: int) -> None:
        over.wait(first)  # they do not all come again at once
        while not over.is_set():
            with ExitStack() as open_:
                for _ in range(count // 8):
                    with suppress(OSError):
                        client = open_.enter_context(
                            socket.create_connection(("127.0.0.1", scene.stack.port), 5)
                        )
                        client.sendall(b"GET / HTTP/1.1\r\n")
                over.wait(8)

    holders = [threading.Thread(target=hold, args=(number,)) for number in range(8)]
    for holder in holders:
        holder.start()
    try:
        yield
    finally:
        over.set()
        for holder in holders:
            holder.join()


@incident("a table locked, sixteen visitors on its page", "LocksBlock")
def table_locked(scene: Scene) -> Iterator[None]:
    session = scene.session()
    with session.cursor() as cursor:
        cursor.execute("SET idle_in_transaction_session_timeout = 0")
        cursor.execute("LOCK TABLE world IN ACCESS EXCLUSIVE MODE")
    with closing(session), _crowd(scene, "db", 16):
        yield
        session.close()


@incident("a transaction left open that no timeout ends", "IdleInTransaction")
def idle_in_transaction(scene: Scene) -> Iterator[None]:
    session = scene.session()
    with session.cursor() as cursor:
        cursor.execute("SET idle_in_transaction_session_timeout = 0")
    with closing(session):
        yield


@incident("an administrator's program that takes all connections but one", "ConnectionsRunOut")
def connections_taken(scene: Scene) -> Iterator[None]:
    first = scene.session()
    with first.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('max_connections')::int"
            " - current_setting('superuser_reserved_connections')::int"
            " - count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
        )
        (free,) = cursor.fetchone() or (0,)
    first.rollback()
    with ExitStack() as ends:
        for session in (first, *(scene.session() for _ in range(free - 1))):
            ends.callback(session.close)
        yield


@incident("a program with a client for nine in ten that PgBouncer takes", "PoolerClientsRunOut")
def pooler_clients_taken(scene: Scene) -> Iterator[None]:
    count = scene.plan.pooler.max_client_conn * 19 // 20
    program = (
        "import psycopg2, sys, time\n"
        "place, count = sys.argv[1:]\n"
        "kept = [psycopg2.connect(host=place, port=6432, user='app', dbname='app')"
        " for _ in range(int(count))]\n"
        "time.sleep(3600)\n"
    )
    place = scene.stack.directory / "run/pooler"
    command = owner(scene.stack.directory, [sys.executable, "-c", program, str(place), str(count)])
    with subprocess.Popen(command) as clients:
        try:
            yield
        finally:
            clients.terminate()


@incident("PostgreSQL killed five times, each 20 s after it had come back", "ServerRestarts")
def restarts(scene: Scene) -> Iterator[None]:
    for _ in range(5):
        with suppress(ProcessLookupError):
            os.kill(int(scene.stack.pid("postgres")), signal.SIGQUIT)
        time.sleep(20)
    scene.stack.wait_until(scene.stack.answers, 60)
    yield


@incident("a certificate that ends in five days", "CertificateEnds", "CertificateEndsSoon")
def certificate_ends(scene: Scene) -> Iterator[None]:
    certificates.valid(scene.certificates, "localhost", -1, 5)
    assert scene.stack.manage("stack_local", "up").returncode == 0
    try:
        yield
    finally:
        certificates.valid(scene.certificates, "localhost", -1, 90)
        assert scene.stack.manage("stack_local", "up").returncode == 0


@incident("the last backup was made 40 hours ago", "BackupLate", longest=1200)
def backup_late(scene: Scene) -> Iterator[None]:
    note = Path(layout.backed_up(scene.plan))
    kept = note.read_text()
    note.write_text(f"{time.time() - 40 * 3600}")
    try:
        yield
    finally:
        note.write_text(kept)


@incident("a disk that a file fills to nine tenths", "DiskFills", longest=600)
def disk_fills(scene: Scene) -> Iterator[None]:
    filler = scene.disk / "filler"
    size = shutil.disk_usage(scene.disk).total
    with filler.open("wb") as file:
        for _ in range(9):
            file.write(b"\0" * (size // 10))
            file.flush()
            time.sleep(SCRAPE_SECONDS)
    try:
        yield
    finally:
        filler.unlink()


@incident("WAL that its command does not archive", "ArchiveFails", longest=600)
def archive_fails(scene: Scene) -> Iterator[None]:
    scene.stack.sql("ALTER SYSTEM SET archive_mode = 'on'")
    scene.stack.sql("ALTER SYSTEM SET archive_command = 'false'")
    _end_postgresql(scene)
    scene.stack.wait_until(scene.stack.answers, 60)
    _write_wal(scene)
    try:
        yield
    finally:
        scene.stack.sql("ALTER SYSTEM SET archive_command = 'true'")
        scene.stack.sql("SELECT pg_reload_conf()")
        _write_wal(scene)


def _write_wal(scene: Scene) -> None:
    scene.stack.sql("CREATE TABLE filler (); DROP TABLE filler")
    scene.stack.sql("SELECT pg_switch_wal()")


def _end_postgresql(scene: Scene) -> None:
    """It is started again at once."""
    postmaster = psutil.Process(int(scene.stack.pid("postgres")))
    postmaster.send_signal(signal.SIGINT)
    postmaster.wait(30)


@incident("six bytes of a page overwritten, and the page read", "ChecksumFails")
def page_spoilt(scene: Scene) -> Iterator[None]:
    spoil_page(scene.stack)
    try:
        yield
    finally:
        scene.stack.sql("DROP TABLE spoilt")
        scene.stack.sql("SELECT pg_stat_reset()")


@incident(
    "a table that vacuum cannot freeze, 1.2 billion transactions later",
    "TransactionIdsRunOut",
    "TransactionIdsAge",
    longest=900,
)
def transactions_run_out(scene: Scene) -> Iterator[None]:
    data = scene.stack.directory / "data"
    assert scene.stack.manage("stack_local", "down").returncode == 0
    binary = services.postgres_program(scene.plan, "pg_resetwal")
    command = [binary, "-x", str(FAR_TRANSACTION), "-D", str(data)]
    subprocess.run(owner(scene.stack.directory, command), check=True, cwd="/")
    segment = data / "pg_xact" / f"{FAR_TRANSACTION // SEGMENT_TRANSACTIONS:04X}"
    segment.write_bytes(b"\0" * SEGMENT_BYTES)
    found = data.stat()
    os.chown(segment, found.st_uid, found.st_gid)
    segment.chmod(0o600)
    assert scene.stack.manage("stack_local", "up").returncode == 0
    session = scene.session()
    with session.cursor() as cursor:
        cursor.execute("SET idle_in_transaction_session_timeout = 0")
        cursor.execute("LOCK TABLE world IN SHARE UPDATE EXCLUSIVE MODE")
    with closing(session):
        yield


SEGMENT_TRANSACTIONS, SEGMENT_BYTES = 2**20, 2**18
"""of a file in pg_xact: two bits for a transaction"""
FAR_TRANSACTION = 1145 * SEGMENT_TRANSACTIONS
