"""A major upgrade of PostgreSQL: what is asked before, with and after pg_upgrade, how long requests
are held back for it, and what is compared. Who runs the programs is each target's own."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from pgstack.ops.logical import SLOT as ROWS_SLOT
from pgstack.planning.services import UPGRADE_SLOT

if TYPE_CHECKING:
    from pgstack.planning.plan import Plan

SPARE_BYTES = 1024**3
"""left on the disk beside the copy: the database that serves needs it"""
STOP_SECONDS = 1.0
"""for the server that serves to end, which no rehearsal does; 0.2 s is usual, after a checkpoint"""
SWITCH_SECONDS = 3.0
"""for Debian's start of the new version and for the plan to change, beyond the start of a scratch
server: 3.1 s on a busy machine with 2 cores"""
SLOTS = f"('{UPGRADE_SLOT}', '{ROWS_SLOT}')"
"""of the copy, and of a new version that gets rows by logical replication"""
SLOT_STATE = f"SELECT active FROM pg_replication_slots WHERE slot_name = '{UPGRADE_SLOT}'"  # noqa: S608
"""The slot keeps what the copy has not yet: at its end a server removes WAL that is archived."""
DROP_SLOT = f"""
    SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots
     WHERE slot_name IN {SLOTS}"""  # noqa: S608 - no input
DROP_COPYS_SLOT = f"{DROP_SLOT} AND slot_name = '{UPGRADE_SLOT}'"
IN_USE = f"""
    SELECT count(*) FROM pg_replication_slots
     WHERE slot_name IN {SLOTS} AND active"""  # noqa: S608 - no input
SEQUENCE_AHEAD = 33
"""numbers of a sequence that are written to WAL ahead of their use, so that a standby skips them"""
OF_STANDBY = (
    "max_connections",
    "max_worker_processes",
    "max_wal_senders",
    "max_prepared_transactions",
    "max_locks_per_transaction",
)
"""settings that a standby may not have smaller than its primary"""
SETTINGS = """\
listen_addresses = ''
unix_socket_directories = '{place}'
port = {port}
hba_file = '{place}/pg_hba.conf'
ident_file = '{place}/pg_ident.conf'
archive_mode = off
wal_level = logical
shared_buffers = 64MB
max_wal_size = 1GB
autovacuum = off
jit = off
log_min_messages = warning
"""
HBA = "local all all peer map=upgrade\n"
LIMITS = f"SELECT name, setting FROM pg_settings WHERE name IN {OF_STANDBY}"  # noqa: S608 - no input
FACTS = """
    SELECT (SELECT sum(pg_database_size(oid))::bigint FROM pg_database),
           (SELECT count(*) FROM pg_class WHERE relkind IN ('r', 'm', 'p') AND relnamespace
               NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace))"""
"""bytes of all databases, and tables of this one"""
CANNOT = f"""
    SELECT 'the tablespace ' || spcname || ' lies outside of the data directory' FROM pg_tablespace
     WHERE spcname NOT IN ('pg_default', 'pg_global')
    UNION ALL
    SELECT 'the replication slot ' || slot_name || ' would be gone: drop it first'
      FROM pg_replication_slots
     WHERE NOT temporary AND slot_name NOT IN {SLOTS} AND slot_type IN ({{slots}})
    UNION ALL
    SELECT 'the prepared transaction ' || quote_literal(gid) || ' waits: commit it or roll it back'
      FROM pg_prepared_xacts"""  # noqa: S608 - no input
"""what a whole cluster must not have; of slots these types"""
OF_ALL, OF_CLUSTER = "'physical', 'logical'", "'logical'"
"""types of slots that would be gone; Patroni makes its own, physical ones, anew"""
UNLOGGED = """
    SELECT format('%I.%I is unlogged, and the copy would not have its rows: '
                  'ALTER TABLE … SET LOGGED', relnamespace::regnamespace, relname)
      FROM pg_class WHERE relpersistence = 'u' AND relkind IN ('r', 'm', 'S')"""
PAST_POOLER = """
    SELECT usename || coalesce(' (' || nullif(application_name, '') || ')', ''), count(*)
      FROM pg_stat_activity
     WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND usename <> '{app}'
       AND application_name NOT LIKE 'Patroni %'
     GROUP BY 1 ORDER BY 1"""
ALTERED = """
    SELECT DISTINCT name FROM pg_file_settings WHERE sourcefile LIKE '%/postgresql.auto.conf'"""
"""settings of ALTER SYSTEM, which pg_upgrade leaves behind"""
DATABASES = "SELECT datname FROM pg_database WHERE datallowconn ORDER BY datname"
EXTENSIONS = "SELECT extname FROM pg_extension"
UPDATES = """
    SELECT format('ALTER EXTENSION %I UPDATE', name) FROM pg_available_extensions
     WHERE installed_version IS NOT NULL AND installed_version <> default_version"""
REFRESH = """
    SELECT format('ALTER DATABASE %I REFRESH COLLATION VERSION', datname) FROM pg_database
     WHERE datname = current_database()
       AND datcollversion <> pg_database_collation_actual_version(oid)
    UNION ALL
    SELECT format('ALTER COLLATION %I.%I REFRESH VERSION', collnamespace::regnamespace, collname)
      FROM pg_collation WHERE oid <> 100 AND collversion <> pg_collation_actual_version(oid)"""
FEW_STATISTICS = (
    "SET default_statistics_target = 1",
    "SET vacuum_cost_delay = 0",
    "ANALYZE",
)
"""the first stage of vacuumdb --analyze-in-stages: no page plans without any"""
TABLES = """
    SELECT format('%I.%I', c.relnamespace::regnamespace, c.relname) FROM pg_class AS c
     WHERE c.relkind IN ({}) AND c.relpersistence = 'p' AND c.relispopulated
       AND c.relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
       AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass
                          AND d.objid = c.oid AND d.deptype = 'e')
    UNION ALL SELECT 'pg_catalog.pg_largeobject' ORDER BY 1"""
"""of these kinds, and large objects; what is of an extension may change with it"""
COPIED, DUMPED = "'r', 'm'", "'r'"
"""kinds whose rows stay the same: a dump has a materialized view filled anew"""
DIGEST = """
    SELECT count(*) || ' rows, ' ||
           coalesce(sum(('x' || left(md5(format('%s', t.*)), 15))::bit(60)::bigint), 0)
      FROM ONLY {} AS t"""
"""in no order: the sum of a part of each row's MD5. As text by format, which does not look for a
cast that the table's owner may have made: the administrator would call his function."""
SEQUENCES = """
    SELECT format('%I.%I', schemaname, sequencename), coalesce(last_value, start_value),
           increment_by * cache_size FROM pg_sequences"""


Row = tuple[Any, ...]


@dataclass(frozen=True)
class Rehearsal:
    """What one of a copy took, in seconds by step, and how large the database was."""

    moment: float
    """in seconds since 1970"""
    old: int
    new: int
    steps: dict[str, float]
    bytes: int
    tables: int
    stop: float = STOP_SECONDS
    switch: float = SWITCH_SECONDS

    @property
    def hold(self) -> float:
        """Seconds for which requests would be held back."""
        return sum(self.steps.values()) + self.stop + self.switch

    def arithmetic(self) -> str:
        """`10.1 s: stop 1.0 + promote 0.4 + …`."""
        parts = {"stop": self.stop, **self.steps, "switch": self.switch}
        text = " + ".join(f"{name} {seconds:.1f}" for name, seconds in parts.items())
        return f"{self.hold:.1f} s: {text} ({self.tables} tables, {self.bytes // 1024**2} MB)"

    def held(self, plan: Plan) -> str:
        """How many requests can be held back, for people."""
        workers = plan.apache.max_request_workers
        return (
            f"{workers} workers of Apache hold {workers / self.hold:.0f} requests/s for so long; "
            "of more it closes some that come by connections which were kept open"
        )

    def refusal(self, plan: Plan) -> str:
        """Why requests cannot wait for it as planned; empty when they can."""
        longest, wait = plan.pooler.hold, plan.pooler.query_wait_timeout
        if self.hold <= longest:
            return ""
        needed = math.ceil((self.hold + wait - longest) * plan.web.request_timeout / wait)
        most = f", of {3 * plan.cluster.ttl} that a cluster takes" if plan.cluster else ""
        return (
            f"requests would be held back for {self.arithmetic()}, and they fail after "
            f"{longest:g} s. Raise stack_inputs.request_timeout to {needed} for the upgrade{most}, "
            "or have fewer tables: its time grows with them and not with their rows. On a single "
            "host it does not with --logical (docs/upgrades.md)."
        )


def settings(place: str, port: int, limits: Mapping[str, str]) -> str:
    """Configuration of the scratch servers, old and new, whose socket is in `place`."""
    lines = [f"{name} = {value}" for name, value in limits.items()]
    return SETTINGS.format(place=place, port=port) + "\n".join(lines) + "\n"


def pg_upgrade(
    programs: tuple[str, str],
    data: tuple[str, str],
    configurations: tuple[str, str],
    place: str,
    user: str,
    jobs: int,
) -> list[str]:
    """Its command line: the new cluster has the old one's files, by links. Each pair is old, new;
    `place` is where it may write and where its sockets are."""
    options = [f"-c config_file={path}" for path in configurations]
    return [
        "env",
        f"--chdir={place}",
        str(PurePosixPath(programs[1], "pg_upgrade")),
        f"--old-bindir={programs[0]}",
        f"--new-bindir={programs[1]}",
        f"--old-datadir={data[0]}",
        f"--new-datadir={data[1]}",
        f"--old-options={options[0]}",
        f"--new-options={options[1]}",
        f"--socketdir={place}",
        f"--username={user}",
        f"--jobs={jobs}",
        "--link",
    ]


def complaint(said: str) -> str:
    """What pg_upgrade has against it: from the line that says so to its end."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    bad = ("fatal", "failure", "error")
    first = next(
        (at for at, line in enumerate(lines) if any(word in line.lower() for word in bad)),
        max(len(lines) - 3, 0),
    )
    return " ".join(lines[first : first + 12])


def differences(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """What the new server has otherwise than the old one, of their tables' digests."""
    return [
        f"{name}: {old.get(name, 'not there')} before, {new.get(name, 'not there')} after"
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    ]


def behind(old: Mapping[str, tuple[int, int]], new: Mapping[str, tuple[int, int]]) -> list[str]:
    """Sequences that would give a number again, or skip more than a standby does; each with its
    last number and its step."""
    wrong = []
    for name, (last, step) in sorted(old.items()):
        now = new[name][0] if name in new else None
        if now is None or not 0 <= (now - last) * (1 if step > 0 else -1) <= SEQUENCE_AHEAD * abs(
            step
        ):
            wrong.append(f"{name}: {last} before, {'not there' if now is None else now} after")
    return wrong


def missing_files(extensions: Sequence[str], files: Sequence[str]) -> list[str]:
    """Extensions that the new version has no files of; `files` are the names of its control
    files."""
    return sorted({name for name in extensions if f"{name}.control" not in files})
