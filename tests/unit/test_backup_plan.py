"""The plan of backups: where they are, what PostgreSQL archives with, and what cannot be."""

from __future__ import annotations

from typing import Any

import pytest

from pgstack.errors import InputError
from pgstack.planning import config, sizing
from pgstack.planning.hardware import Hardware
from pgstack.planning.input_names import environment_name
from pgstack.planning.plan import Plan
from pgstack.rendering import templates

GB = 1024**3


def plan(target: str = "host", debian: int = 13, cores: int = 2, **inputs: str) -> Plan:
    chosen = config.load(
        {environment_name(name): value for name, value in inputs.items()}, target=target
    )
    return sizing.plan(chosen, Hardware(cores, 64 * GB, debian, 65536))


def settings(**inputs: Any) -> dict[str, str]:
    part = plan(**inputs).backup
    assert part is not None
    return part.settings


def test_a_host_keeps_backups_unless_told_otherwise() -> None:
    part = plan().backup
    assert part is not None
    assert (part.kind, part.path) == ("local", "/var/lib/pgbackrest")
    assert (part.full, part.incremental) == (
        "Sun *-*-* 03:00:00 UTC",
        "Mon..Sat *-*-* 03:00:00 UTC",
    )
    assert part.drill == "Mon *-*-* 04:00:00 UTC"
    assert part.settings["repo1-cipher-type"] == "aes-256-cbc"
    assert part.settings["repo1-retention-full"] == "2"


def test_files_are_kept_beside_the_rows_and_follow_them() -> None:
    planned = plan()
    files = planned.file_backup
    assert files is not None
    assert (files.repository, files.days) == ("/var/lib/pgbackrest-files", 21)
    units = {file.path.name for file in templates.files(planned)}
    assert {"stack-files.service", "stack-files-drill.service"} <= units
    assert not {"stack-files.timer", "stack-files-drill.timer"} & units


@pytest.mark.parametrize("target", ["local", "compose"])
def test_other_targets_keep_none(target: str) -> None:
    planned = plan(target)
    assert (planned.backup, planned.file_backup) == (None, None)
    assert "archive_mode" not in planned.postgres.settings


def test_postgres_archives_only_where_backups_are_kept() -> None:
    planned = plan().postgres.settings
    assert planned["archive_mode"] == "on"
    assert planned["archive_command"] == (
        "pgbackrest --stanza=stack archive-push %p || "
        "{ test $? = 45 && /usr/local/sbin/stackctl abandoned %p; }"
    )
    assert planned["archive_timeout"] == "60s"
    assert "archive_mode" not in plan(backup="off").postgres.settings


def test_the_drill_of_a_late_backup_is_in_the_morning() -> None:
    part = plan(backup_time="23:30").backup
    assert part is not None
    assert part.drill == "Mon *-*-* 00:30:00 UTC"


@pytest.mark.parametrize(("cores", "processes"), [(1, "1"), (8, "2"), (64, "4")])
def test_compression_leaves_the_cores_to_the_web(cores: int, processes: str) -> None:
    assert settings(cores=cores)["process-max"] == processes


def test_a_bucket_is_described_for_pgbackrest_without_its_keys() -> None:
    options = settings(
        backup="s3", backup_host="s3.example.org:9000", backup_bucket="shop", backup_path="/shop"
    )
    assert options["repo1-s3-endpoint"] == "s3.example.org"
    assert options["repo1-storage-port"] == "9000"
    assert (options["repo1-s3-bucket"], options["repo1-path"]) == ("shop", "/shop")
    assert not any("key" in name or "pass" in name for name in options)


def test_another_host_is_reached_with_a_known_key() -> None:
    options = settings(
        backup="sftp", backup_host="backups@store.example.org:2222", backup_path="/srv/shop"
    )
    assert (options["repo1-sftp-host"], options["repo1-sftp-host-user"]) == (
        "store.example.org",
        "backups",
    )
    assert options["repo1-sftp-host-port"] == "2222"
    assert options["repo1-sftp-known-host"] == "/etc/pgbackrest/known_hosts"


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        ({"backup": "s3"}, "STACK_BACKUP_BUCKET"),
        ({"backup": "sftp", "backup_host": "store.example.org"}, "account@host"),
        ({"backup": "sftp", "backup_host": "a@store", "debian": 12}, "2.46"),
        ({"backup": "local", "target": "compose"}, "needs STACK_BACKUP_PATH"),
        ({"backup": "sftp", "target": "compose"}, "needs a host"),
        ({"backup_path": "backups"}, "absolute path"),
        ({"backup_path": "/srv/my backups"}, "absolute path"),
        ({"backup_path": "/srv/../etc"}, "absolute path"),
        ({"backup_time": "24:00"}, "time of day"),
        ({"backup_keep": "0"}, "full backups kept"),
        ({"backup": "tape"}, "STACK_BACKUP"),
    ],
)
def test_what_cannot_be_is_refused_by_name(inputs: dict[str, Any], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        plan(**inputs)
