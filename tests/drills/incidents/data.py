"""What happens to the database's files: WAL that is not archived, a page that is spoilt, rows that
grow too old."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator

from drills.catalogue import program, spoil_page
from drills.incidents.scene import SLEEP, Scene, incident
from fixtures.local_stack import owner
from pgstack.planning import services

SEGMENT_TRANSACTIONS, SEGMENT_BYTES = 2**20, 2**18
"""of a file in pg_xact: two bits for a transaction"""
FAR_TRANSACTION = 1145 * SEGMENT_TRANSACTIONS


def archive(scene: Scene) -> None:
    """Let PostgreSQL archive WAL, as it does on hosts; that takes a restart."""
    scene.stack.sql("ALTER SYSTEM SET archive_mode = 'on'")
    postmaster = program(scene.stack, "postgres")
    postmaster.send_signal(signal.SIGINT)
    scene.stack.wait_until(lambda: not postmaster.is_running())
    scene.stack.wait_until(scene.stack.answers, 120)


def archive_by(scene: Scene, command: str) -> None:
    """Let PostgreSQL archive WAL by this command, and write some."""
    scene.stack.sql(f"ALTER SYSTEM SET archive_command = '{command}'")
    scene.stack.sql("SELECT pg_reload_conf()")
    scene.stack.sql("CREATE TABLE filler (); DROP TABLE filler")
    scene.stack.sql("SELECT pg_switch_wal()")


@incident("WAL that its command does not archive", "ArchiveFails", longest=900)
def archive_fails(scene: Scene) -> Iterator[None]:
    archive_by(scene, "false")
    try:
        yield
    finally:
        archive_by(scene, "true")


@incident("six bytes of a page overwritten, and the page read", "ChecksumFails")
def page_spoilt(scene: Scene) -> Iterator[None]:
    spoil_page(scene.stack)
    try:
        yield
    finally:
        scene.stack.sql("DROP TABLE spoilt")
        scene.stack.sql("SELECT pg_stat_reset()")


@incident(
    "a table that vacuum may not freeze, 1.2 billion transactions later",
    "TransactionIdsRunOut",
    "TransactionIdsAge",
    longest=900,
)
def transactions_run_out(scene: Scene) -> Iterator[None]:
    """pg_resetwal says how many there have been, as nobody can wait for them."""
    scene.stack.sql("CREATE TABLE old AS SELECT 1 AS row")
    assert scene.stack.manage("stack_local", "down").returncode == 0
    _be_far(scene)
    assert scene.stack.manage("stack_local", "up").returncode == 0
    with scene.session("BEGIN", "LOCK TABLE old IN SHARE UPDATE EXCLUSIVE MODE", SLEEP):
        yield
    scene.stack.sql("DROP TABLE old")


def _be_far(scene: Scene) -> None:
    """The next transaction has the number FAR_TRANSACTION."""
    data = scene.stack.directory / "data"
    binary = services.postgres_program(scene.plan, "pg_resetwal")
    command = [binary, "-x", str(FAR_TRANSACTION), "-D", str(data)]
    subprocess.run(owner(scene.stack.directory, command), check=True, cwd="/")
    segment = data / "pg_xact" / f"{FAR_TRANSACTION // SEGMENT_TRANSACTIONS:04X}"
    segment.write_bytes(b"\0" * SEGMENT_BYTES)
    status = data.stat()
    os.chown(segment, status.st_uid, status.st_gid)
    segment.chmod(0o600)
