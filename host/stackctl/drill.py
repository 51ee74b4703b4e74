"""A rehearsal: the last backup and its WAL are restored into a scratch instance, read in full, and
deleted again.

It runs as PostgreSQL's account in a unit of its own, in which nothing of the database that serves
can be written.
"""

from __future__ import annotations

import json
import shutil
import signal
import time
from pathlib import Path
from typing import Any

from pgstack.ops.postgres import psql
from pgstack.planning import services
from pgstack.planning.services import postgres_program

from . import backup, patroni, postgres, rehearsed, system
from .safe import StackctlError
from .stack import Stack

START_SECONDS = 5
"""for the scratch instance to write its process id"""
SETTINGS = """\
listen_addresses = ''
unix_socket_directories = '{sockets}'
port = {port}
hba_file = '{scratch}/pg_hba.conf'
ident_file = '{scratch}/pg_ident.conf'
archive_mode = off
# Without it, limits below those of the database that serves would not do.
hot_standby = off
max_connections = 10
shared_buffers = 32MB
max_wal_size = 256MB
autovacuum = off
jit = off
# It is deleted in a moment.
fsync = off
full_page_writes = off
"""
FACTS = """
    SELECT extract(epoch FROM pg_last_xact_replay_timestamp()),
           (SELECT count(*) FROM pg_tables
             WHERE schemaname NOT IN ('pg_catalog', 'information_schema')),
           to_char(pg_last_xact_replay_timestamp() AT TIME ZONE 'UTC',
                   'YYYY-MM-DD HH24:MI:SS+00')"""


def unit(stack: Stack) -> str:
    """Name of the unit that runs it."""
    return services.unit(stack, "drill.service")


def sockets(stack: Stack) -> Path:
    """Directory of the scratch instance's socket."""
    return stack.run / "drill"


def start(stack: Stack) -> str:
    """Run it through its unit, as root; returns what it found. Raises StackctlError when it
    failed."""
    part = backup.require(stack)
    if not patroni.leads(stack):
        raise StackctlError(
            "this member does not lead, and the drill commits something that has to come back; "
            "nothing was done. Run it on the one that `stackctl status` says leads."
        )
    done = system.run("systemctl", "start", unit(stack))
    state = rehearsed.read(stack)
    if done.returncode or state is None or state["result"] != "passed":
        reason = state.get("error", "it still runs") if state else "it did not run"
        raise StackctlError(f"{reason}\nSee journalctl -u {unit(stack)}")
    return backup.drill(state, time.time(), part.drill_oldest, part.time_limit).text


def run(stack: Stack) -> str:
    """Restore, read, report; returns what was restored. Raises StackctlError with what is wrong,
    after it was written down."""
    begun = time.time()
    signal.signal(signal.SIGTERM, lambda *_: _cut_off())
    rehearsed.write(stack, {"result": backup.RUNNING, "ended": int(begun)})
    try:
        restored = _rehearse(stack)
    except StackctlError as error:
        rehearsed.write(stack, {"result": "failed", "error": str(error), **_times(begun)})
        raise
    finally:
        clear(stack)
    rehearsed.write(stack, {"result": "passed", **restored, **_times(begun)})
    return f"passed in {time.time() - begun:.1f} s: {json.dumps(restored)}"


def clear(stack: Stack) -> None:
    """Stop the scratch instance and delete it, whatever is left of it."""
    scratch = _scratch(stack)
    if (scratch / "postmaster.pid").exists():
        system.run(
            postgres_program(stack, "pg_ctl"), f"--pgdata={scratch}", "--mode=immediate", "stop"
        )
    shutil.rmtree(scratch, ignore_errors=True)


def sweep(stack: Stack) -> None:
    """Clean up after a drill, however it ended; a drill that was killed is reported."""
    clear(stack)
    state = rehearsed.read(stack)
    if state and state["result"] == backup.RUNNING:
        rehearsed.write(
            stack, {"result": "failed", "error": "it was killed", **_times(state["ended"])}
        )


def _cut_off() -> None:
    raise StackctlError("it was stopped, or took too long")


def _times(begun: float) -> dict[str, Any]:
    return {"ended": int(time.time()), "seconds": round(time.time() - begun, 1)}


def _scratch(stack: Stack) -> Path:
    return Path(backup.require(stack).state, "scratch")


def _rehearse(stack: Stack) -> dict[str, Any]:
    """Each step that can fail. Raises StackctlError."""
    clear(stack)
    since = _mark(stack)
    backups = backup.restorable_backups(stack)
    if not backups:
        raise StackctlError("there is no backup")
    scratch = _scratch(stack)
    backup.require_space(shutil.disk_usage(scratch.parent).free, backups[-1].size)
    backup.restore_beside(stack, backups[-1], scratch, "--type=default")
    _boot(stack, scratch)
    recovered, tables, text = _read(stack)
    if recovered < since:
        raise StackctlError(
            f"the last transaction that came back is of {text}; there was a later one when this "
            f"began"
        )
    return {
        "backup": backups[-1].label,
        "recovered_to": text,
        "tables": tables,
        "bytes": backups[-1].size,
    }


def _mark(stack: Stack) -> float:
    """Commit something that must come back, and when, in seconds since 1970. Raises StackctlError
    when it is not archived."""
    if not system.active(postgres.unit(stack)):
        return 0
    now = float(postgres.ask(stack, "SELECT extract(epoch FROM clock_timestamp())"))
    backup.finish_archive(stack)
    return now


def _boot(stack: Stack, scratch: Path) -> None:
    """Start the scratch instance and wait for the end of its recovery. Raises StackctlError with
    what its log says."""
    texts = {
        "postgresql.conf": SETTINGS.format(
            sockets=sockets(stack), port=stack.postgres.port, scratch=scratch
        ),
        "pg_hba.conf": "local all all peer\n",
        "pg_ident.conf": "",
    }
    for name, text in texts.items():
        (scratch / name).write_text(text)
    log = scratch / "drill.log"
    control = [postgres_program(stack, "pg_ctl"), f"--pgdata={scratch}"]
    system.run(*control, f"--log={log}", "--no-wait", "start")
    ready = [
        postgres_program(stack, "pg_isready"),
        "--quiet",
        f"--host={sockets(stack)}",
        f"--port={stack.postgres.port}",
    ]

    def up() -> bool:
        if system.run(*ready).returncode == 0:
            return True
        if time.time() > begun + START_SECONDS and system.run(*control, "status").returncode:
            raise StackctlError(f"the restored database does not start: {_last(log)}")
        return False

    begun = time.time()
    if not system.wait(up, backup.require(stack).time_limit, 0.2):
        raise StackctlError("the recovery takes too long")


def _last(log: Path) -> str:
    """The first thing that was fatal in a log."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    fatal = [line for line in lines if any(word in line for word in ("FATAL", "PANIC"))]
    return (fatal or lines[-1:] or ["it has no log"])[0]


def _read(stack: Stack) -> tuple[float, int, str]:
    """Check every page and index, dump every row. Raises StackctlError.

    Returns the time of the last transaction in seconds since 1970, the number of tables, and that
    time as a text.
    """
    where = [f"--host={sockets(stack)}", f"--port={stack.postgres.port}"]
    system.require(
        postgres_program(stack, "pg_amcheck"),
        *where,
        "--all",
        "--install-missing",
        "--heapallindexed",
    )
    # stack: allow H032 the restored server's own socket
    system.require(postgres_program(stack, "pg_dumpall"), *where, "--no-sync", "--file=/dev/null")
    place = sockets(stack), stack.postgres.port, stack.postgres.database
    words = psql(*place, f"--command={FACTS}")
    recovered, tables, text = system.require(*words).strip().split("|")
    return float(recovered or 0), int(tables), text or "the backup's end"
