"""What PgBouncer, PostgreSQL and its backups are planned with, and who may log in."""

from __future__ import annotations

from typing import Literal

from pgstack.planning.grants import Grants
from pgstack.planning.part import Part


class Roles(Part):
    """Roles in PostgreSQL."""

    app: str = "app"
    worker: str = "app_worker"
    """of sessions that workers have past PgBouncer: the rights of `app`, and a limit of their
    number"""
    owner: str = "app_owner"
    monitor: str = "app_monitor"
    admin: str = "postgres"


HOLD_MARGIN_SECONDS = 1
"""before query_wait_timeout, which ends what waits"""


class Identity(Part):
    """Peer authentication: operating system account `account` may log in as `role`."""

    account: str
    role: str


class PoolerProcess(Part):
    """One PgBouncer of a host. All of them make their sockets in one directory, and differ by
    port."""

    number: int
    """from 1"""
    port: int
    settings: dict[str, str]
    """lines of its pgbouncer.ini, and what SHOW CONFIG must answer"""

    @property
    def name(self) -> str:
        """What its program, unit and log are called."""
        return "pgbouncer" if self.number == 1 else f"pgbouncer-{self.number}"


class Pooler(Part):
    """PgBouncer: what all of a host have together. `port` and `settings` are those of the first,
    whose backends workers, lanes and commands use too."""

    port: int
    web_login: str
    monitor_login: str
    peer_maps: bool
    identities: tuple[Identity, ...]
    task_identities: tuple[Identity, ...]
    """of the workers' database; none without workers"""
    console_identities: tuple[Identity, ...]
    """of the console alone; none without an exporter"""
    max_client_conn: int
    default_pool_size: int
    reserve_pool_size: int
    max_db_connections: int
    instances: int
    """PgBouncers that hold backends at the same time: one on each web host, and one more that takes
    over"""
    query_timeout: int
    query_wait_timeout: int
    pause_timeout: int
    """when requests have waited this long, a PAUSE was forgotten; the local guard ends it"""
    file_descriptors: int
    settings: dict[str, str]
    further: tuple[PoolerProcess, ...]
    """beside the first, each for a part of the web processes"""

    @property
    def processes(self) -> tuple[PoolerProcess, ...]:
        """All of a host, the first one first."""
        return PoolerProcess(number=1, port=self.port, settings=self.settings), *self.further

    @property
    def hold(self) -> int:
        """Seconds for which requests are held back at most, before those that wait would fail."""
        return self.query_wait_timeout - HOLD_MARGIN_SECONDS


class Postgres(Part):
    """PostgreSQL. `settings` are the lines of the drop-in, and what pg_settings must answer."""

    host: str
    """where clients find it: the directory of its socket, or its host's name where that is another
    one"""
    server_name: str
    """what its certificate names, on both sides; empty on one host"""
    port: int
    database: str
    extensions: tuple[str, ...]
    """of the database, which the administrator creates"""
    locale: str
    """sort order of the database, see pgstack.planning.locales"""
    locale_options: str
    """the same in words of CREATE DATABASE"""
    identities: tuple[Identity, ...]
    web_addresses: tuple[str, ...]
    """networks that may come in over TLS with a password; none on one host"""
    passwords: tuple[Identity, ...]
    """which account of a web host has the password of which role; none on one host"""
    connection: dict[str, str]
    """parameters for libpq, beside place, role and database, of clients that go past the pooler"""
    max_connections: int
    superuser_reserved_connections: int
    direct_connections: int
    """past PgBouncer, those of workers among them"""
    settings: dict[str, str]
    app_settings: dict[str, str]
    """of the web processes: set on their role (ALTER ROLE … SET), and by the pooler on each
    backend, for the role may change what is set on it"""
    owner_settings: dict[str, str]
    """set on the role that migrates"""
    statement_timeout: int
    """seconds"""
    closed_functions: tuple[str, ...]
    """of PostgreSQL's own: the owner may call them and hand them on, the web may not"""


class External(Part):
    """An external PostgreSQL."""

    login: str
    """that asks it, and makes roles if it may"""
    authority: str
    """file of who signed its certificate; PgBouncer and libpq read a copy"""
    grants: Grants | None
    """None: it was not asked yet"""


class AnyBackup(Part):
    """What backups have in common; keys and passphrases are elsewhere."""

    kind: Literal["local", "sftp", "s3"]
    drill: str
    """when a restore is rehearsed, as systemd.time(7) writes it"""
    time_limit: int
    """seconds that a backup or a drill may take"""
    oldest: int
    """seconds after which a backup that has not been followed by another is late; likewise a
    drill after `drill_oldest`"""
    drill_oldest: int


class FileBackup(AnyBackup):
    """restic for uploads and STACK_DATA, on a host that has them."""

    repository: str
    """as restic names it"""
    options: tuple[str, ...]
    state: str
    """directory of what is known of it: the last snapshots, the last drill"""
    days: int
    """for which a snapshot is kept"""
    daily: str
    """when one is made where no backup of the database has it follow"""


class Backup(AnyBackup):
    """pgBackRest on a host that has PostgreSQL. `settings` are the lines of its configuration."""

    stanza: str
    command: str
    """how pgBackRest is called for it"""
    path: str
    """of the repository, where it is kept"""
    state: str
    """directory of the drill: its report, and the scratch instance while it runs"""
    full: str
    """when a full backup is made; likewise an incremental one"""
    incremental: str
    settings: dict[str, str]
