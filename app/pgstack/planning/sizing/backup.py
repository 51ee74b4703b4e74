"""Backups of a host: pgBackRest and its schedule, what PostgreSQL archives with it, and restic
beside it for files."""

from __future__ import annotations

from pgstack.errors import InputError
from pgstack.planning import backup_place, targets
from pgstack.planning.config import StackConfig
from pgstack.planning.layout import version
from pgstack.planning.plan import Backup, Postgres
from pgstack.planning.sizing.basis import Basis, Reasons
from pgstack.planning.sizing.scale import clamp

STANZA = "stack"
"""pgBackRest's name of the cluster"""
STATE = "/var/lib/stack-backup"
FILES_STATE = "/var/lib/stack-files"
BESIDE = "-files"
"""what follows the repository's path in that of the files': another account's, for pgBackRest runs
as PostgreSQL's and files are read by root"""
ARCHIVE_SECONDS = 60
"""archive_timeout: what was committed longer ago is in the archive; an hour of nearly empty
segments has some 100 kB"""
PROCESS_DIVISOR, MAX_PROCESSES = 4, 4
"""processes that compress: a quarter of the cores, the web needs the others"""
FULL_DAY, DRILL_DAY = "Sun", "Mon"
INCREMENTAL_DAYS = "Mon..Sat"
DRILL_HOURS = 1
"""between Monday's backup and the drill, which restores it"""
DAY = 24 * 3600
WEEK_DAYS = 7
TIME_LIMIT = 6 * 3600
"""seconds for a backup or a drill: the next backup is due in a day"""
KEY, KNOWN_HOSTS = "/etc/pgbackrest/key", "/etc/pgbackrest/known_hosts"
SSH_PORT = 22
SFTP_VERSION = (2, 46)
"""pgBackRest that knows SFTP"""


def kind(config: StackConfig) -> str:
    """`off`, or where the backups are kept that are made on a schedule."""
    if "postgres" not in config.part.services:
        return "off"
    target = targets.of(config.target)
    return (config.backup or target.backup) if target.schedules_backups else "off"


def archiving(config: StackConfig) -> dict[str, str]:
    """Settings of PostgreSQL; none without backups."""
    if kind(config) == "off":
        return {}
    command = f"pgbackrest --stanza={STANZA} archive-push %p"
    return {
        "archive_mode": "on",
        "archive_command": command,
        "archive_timeout": f"{ARCHIVE_SECONDS}s",
    }


def backup(basis: Basis, database: Postgres) -> tuple[Backup | None, Reasons]:
    """pgBackRest as planned, None without backups. Raises InputError where the release cannot do
    what is wanted."""
    config, pgbackrest = basis.config, basis.versions.pgbackrest
    where = kind(config)
    if where == "off":
        return None, {}
    if where == "sftp" and version(pgbackrest) < SFTP_VERSION:
        raise InputError(
            f"STACK_BACKUP=sftp: pgBackRest {pgbackrest} of this Debian release does not "
            f"know SFTP, 2.46 "
            "does. Use s3, or local with STACK_BACKUP_PATH on a file system of the other host "
            "(NFS, say)."
        )
    processes = clamp(basis.scale.cores // PROCESS_DIVISOR, 1, MAX_PROCESSES)
    hour, minute = map(int, config.backup_time.split(":"))
    drill = f"{(hour + DRILL_HOURS) % 24:02}:{minute:02}"
    planned = Backup.model_validate(
        {
            "kind": where,
            "stanza": STANZA,
            "path": str(config.backup_path),
            "state": STATE,
            "full": f"{FULL_DAY} *-*-* {config.backup_time}:00 UTC",
            "incremental": f"{INCREMENTAL_DAYS} *-*-* {config.backup_time}:00 UTC",
            "drill": f"{DRILL_DAY} *-*-* {drill}:00 UTC",
            "time_limit": TIME_LIMIT,
            "oldest": DAY + TIME_LIMIT,
            "drill_oldest": WEEK_DAYS * DAY + TIME_LIMIT,
            **_files(config, where),
            "settings": {
                **_repository(config, where),
                "repo1-path": str(config.backup_path),
                "repo1-retention-full": str(config.backup_keep),
                "repo1-retention-history": "365",
                "repo1-cipher-type": "aes-256-cbc",
                "repo1-bundle": "y",
                "compress-type": "zst",
                "start-fast": "y",
                "process-max": str(processes),
                # journald has what a unit says, PostgreSQL's log what archive_command says.
                "log-level-file": "off",
                "log-level-console": "warn",
                "lock-path": "/run/stack/backup",
                "pg1-path": basis.paths.data,
                "pg1-port": str(database.port),
                "pg1-socket-path": basis.paths.run_postgres,
            },
        }
    )
    return planned, {
        "backup.process-max": f"cores / {PROCESS_DIVISOR}, 1 to {MAX_PROCESSES}",
        "backup.files_days": f"{WEEK_DAYS} * (full backups kept + the one that is being made)",
    }


def _files(config: StackConfig, where: str) -> dict[str, object]:
    """restic's repository, at the same destination; each moment that the database can be brought
    back to has a snapshot."""
    days = WEEK_DAYS * (config.backup_keep + 1)
    common = {"files_days": days, "files_state": FILES_STATE, "files_options": ()}
    path = f"{config.backup_path}{BESIDE}"
    if "apache" not in config.part.services:
        return {**common, "files": ""}
    if where == "local":
        return {**common, "files": path}
    account, host, port = _elsewhere(config)
    if where == "s3":
        endpoint = f"{host}:{port}" if port else host
        place, options = backup_place.bucket(
            endpoint, config.backup_bucket or "", config.backup_region, path
        )
        return {**common, "files": place, "files_options": options}
    # Nothing of root's own configuration of ssh counts, and no other key.
    words = (
        "ssh -F /dev/null -o BatchMode=yes -o IdentitiesOnly=yes -o StrictHostKeyChecking=yes "
        f"-o UserKnownHostsFile={KNOWN_HOSTS} -i {KEY} -p {port or SSH_PORT} {account}@{host} "
        "-s sftp"
    )
    return {
        **common,
        "files": f"sftp:{account}@{host}:{path}",
        "files_options": (f"sftp.command={words}",),
    }


def _elsewhere(config: StackConfig) -> tuple[str, str, str]:
    """Account, host and port of another machine, empty where they are not given."""
    account, _, rest = (config.backup_host or "").rpartition("@")
    host, _, port = rest.partition(":")
    return account, host, port


def _repository(config: StackConfig, where: str) -> dict[str, str]:
    """Where the repository is, for pgBackRest."""
    if where == "local":
        return {"repo1-type": "posix"}
    account, host, port = _elsewhere(config)
    if where == "s3":
        return {
            "repo1-type": "s3",
            "repo1-s3-endpoint": host,
            "repo1-s3-bucket": config.backup_bucket or "",
            "repo1-s3-region": config.backup_region,
            "repo1-s3-uri-style": "path",
            **({"repo1-storage-port": port} if port else {}),
        }
    return {
        "repo1-type": "sftp",
        "repo1-sftp-host": host,
        "repo1-sftp-host-user": account,
        "repo1-sftp-private-key-file": KEY,
        "repo1-sftp-public-key-file": f"{KEY}.pub",
        "repo1-sftp-known-host": KNOWN_HOSTS,
        "repo1-sftp-host-key-hash-type": "sha256",
        **({"repo1-sftp-host-port": port} if port else {}),
    }
