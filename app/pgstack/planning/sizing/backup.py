"""Backups of a host: pgBackRest and its schedule, what PostgreSQL archives with it, and restic
beside it for files."""

from __future__ import annotations

from pgstack.errors import InputError
from pgstack.planning import backup_place, names, targets
from pgstack.planning.config import StackConfig
from pgstack.planning.databases import Backup, FileBackup, Postgres
from pgstack.planning.layout import version
from pgstack.planning.places import Paths
from pgstack.planning.sizing.basis import Basis, Reasons
from pgstack.planning.sizing.scale import clamp

BESIDE = "-files"
"""what follows the repository's path in that of the files': another account's, for pgBackRest runs
as PostgreSQL's and files are read by root"""
DUPLICATE = 45
"""status of pgBackRest where it has the segment with another content (ArchiveDuplicateError)"""
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
KEY, KNOWN_HOSTS = "key", "known_hosts"
"""files beside pgBackRest's configuration"""
SSH_PORT = 22
SFTP_VERSION = (2, 46)
"""pgBackRest that knows SFTP"""


def _kind(config: StackConfig, server: str) -> str:
    """`off`, or where the backups are kept that a host with this server makes on a schedule."""
    if server not in config.part.services:
        return "off"
    target = targets.of(config.target)
    return (config.backup or target.backup) if target.schedules_backups else "off"


def archiving(config: StackConfig, paths: Paths) -> dict[str, str]:
    """Settings of PostgreSQL; none without backups."""
    if _kind(config, "postgres") == "off":
        return {}
    push = f"{_command(config, paths)} archive-push %p"
    stackctl = f"/usr/local/sbin/{names.of(config.name).stackctl}"
    otherwise = f"test $? = {DUPLICATE} && {stackctl} abandoned %p"
    return {
        "archive_mode": "on",
        "archive_command": f"{push} || {{ {otherwise}; }}",
        "archive_timeout": f"{ARCHIVE_SECONDS}s",
    }


def _command(config: StackConfig, paths: Paths) -> str:
    """How pgBackRest is called, for this site's cluster."""
    own = names.of(config.name)
    place = "" if config.name == names.STACK else f"--config-path={paths.backup} "
    return f"pgbackrest {place}--stanza={own.prefix}"


def backup(basis: Basis, database: Postgres) -> tuple[Backup | None, Reasons]:
    """pgBackRest as planned, None without backups. Raises InputError where the release cannot do
    what is wanted."""
    config, pgbackrest = basis.config, basis.versions.pgbackrest
    where = _kind(config, "postgres")
    if where == "off":
        return None, {}
    if where == "sftp" and version(pgbackrest) < SFTP_VERSION:
        raise InputError(
            f"STACK_BACKUP=sftp: pgBackRest {pgbackrest} of this Debian release does not "
            f"know SFTP, 2.46 "
            "does. Use s3, or local with STACK_BACKUP_PATH on a file system of the other host "
            "(NFS, say)."
        )
    own, place = names.of(config.name), _place(config)
    planned = Backup.model_validate(
        {
            "kind": where,
            "stanza": own.prefix,
            "command": _command(config, basis.paths),
            "path": place,
            "state": f"/var/lib/{own.prefix}-backup",
            "full": f"{FULL_DAY} {_daily(config)}",
            "incremental": f"{INCREMENTAL_DAYS} {_daily(config)}",
            **_times(config),
            "settings": _settings(basis, where, place, database.port),
        }
    )
    return planned, {
        "backup.process-max": f"cores / {PROCESS_DIVISOR}, 1 to {MAX_PROCESSES}",
    }


def file_backup(basis: Basis) -> tuple[FileBackup | None, Reasons]:
    """restic as planned for uploads and STACK_DATA, None without backups. Each moment that the
    database can be brought back to has a snapshot."""
    config = basis.config
    where = _kind(config, "apache")
    if where == "off":
        return None, {}
    repository, options = _files(basis, where)
    planned = FileBackup.model_validate(
        {
            "kind": where,
            "repository": repository,
            "options": options,
            "state": f"/var/lib/{names.of(config.name).prefix}-files",
            "days": WEEK_DAYS * (config.backup_keep + 1),
            "daily": _daily(config),
            **_times(config),
        }
    )
    return planned, {
        "file_backup.days": f"{WEEK_DAYS} * (full backups kept + the one that is being made)"
    }


def _daily(config: StackConfig) -> str:
    return f"*-*-* {config.backup_time}:00 UTC"


def _times(config: StackConfig) -> dict[str, object]:
    """When drills are made, and after how many seconds a backup or one of them is late."""
    hour, minute = map(int, config.backup_time.split(":"))
    drill = f"{(hour + DRILL_HOURS) % 24:02}:{minute:02}"
    return {
        "drill": f"{DRILL_DAY} *-*-* {drill}:00 UTC",
        "time_limit": TIME_LIMIT,
        "oldest": DAY + TIME_LIMIT,
        "drill_oldest": WEEK_DAYS * DAY + TIME_LIMIT,
    }


def _settings(basis: Basis, where: str, place: str, port: int) -> dict[str, str]:
    """The lines of pgBackRest's configuration; `port` is PostgreSQL's."""
    processes = clamp(basis.scale.cores // PROCESS_DIVISOR, 1, MAX_PROCESSES)
    return {
        **_repository(basis, where),
        "repo1-path": place,
        "repo1-retention-full": str(basis.config.backup_keep),
        "repo1-retention-history": "365",
        "repo1-cipher-type": "aes-256-cbc",
        "repo1-bundle": "y",
        "compress-type": "zst",
        "start-fast": "y",
        "process-max": str(processes),
        # journald has what a unit says, PostgreSQL's log what archive_command says.
        "log-level-file": "off",
        "log-level-console": "warn",
        "lock-path": f"{basis.paths.run}/backup",
        "pg1-path": basis.paths.data,
        "pg1-port": str(port),
        "pg1-socket-path": basis.paths.run_postgres,
        **_role(basis),
    }


def _place(config: StackConfig) -> str:
    """Directory of the repository; a site that was told none has one of its own."""
    if config.name == names.STACK or "backup_path" in config.model_fields_set:
        return str(config.backup_path)
    return f"/var/lib/{names.of(config.name).prefix}-pgbackrest"


def _role(basis: Basis) -> dict[str, str]:
    """The role in PostgreSQL, where it has not the name of the account, which may not enter the
    usual spool then either."""
    who, role = basis.accounts.postgres, basis.roles.admin
    spool = {"spool-path": f"{basis.paths.run}/backup"}
    return {} if who == role else {"pg1-user": role, **spool}


def _files(basis: Basis, where: str) -> tuple[str, tuple[str, ...]]:
    """restic's repository, at the same destination, and options. Separate web hosts have one each:
    none can read another's, and none waits for another to have it to itself."""
    config = basis.config
    own = config.backup_name or ("" if config.name == names.STACK else config.name)
    path = f"{_place(config)}{BESIDE}{f'-{own}' if own else ''}"
    if where == "local":
        return path, ()
    account, host, port = _elsewhere(config)
    if where == "s3":
        endpoint = f"{host}:{port}" if port else host
        return backup_place.bucket(endpoint, config.backup_bucket or "", config.backup_region, path)
    keys = basis.paths.backup
    # Nothing of root's own configuration of ssh counts, and no other key.
    words = (
        "ssh -F /dev/null -o BatchMode=yes -o IdentitiesOnly=yes -o StrictHostKeyChecking=yes "
        f"-o UserKnownHostsFile={keys}/{KNOWN_HOSTS} -i {keys}/{KEY} -p {port or SSH_PORT} "
        f"{account}@{host} -s sftp"
    )
    return f"sftp:{account}@{host}:{path}", (f"sftp.command={words}",)


def _elsewhere(config: StackConfig) -> tuple[str, str, str]:
    """Account, host and port of another machine, empty where they are not given."""
    account, _, rest = (config.backup_host or "").rpartition("@")
    host, _, port = rest.partition(":")
    return account, host, port


def _repository(basis: Basis, where: str) -> dict[str, str]:
    """Where the repository is, for pgBackRest."""
    config, keys = basis.config, basis.paths.backup
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
        "repo1-sftp-private-key-file": f"{keys}/{KEY}",
        "repo1-sftp-public-key-file": f"{keys}/{KEY}.pub",
        "repo1-sftp-known-host": f"{keys}/{KNOWN_HOSTS}",
        "repo1-sftp-host-key-hash-type": "sha256",
        **({"repo1-sftp-host-port": port} if port else {}),
    }
