"""Backups of a stack in containers: volumes that were lost come back with rows and files."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from backup_store import BUCKET, backup_store
from compose_stack import ComposeStack
from systemd_host import CA_BUNDLE

pytestmark = [pytest.mark.compose, pytest.mark.slow, pytest.mark.timeout(900)]

MEDIA = "/var/lib/stack-media"
PHOTO = f"{MEDIA}/data/photo"
REFUSED_SECONDS = 90
"""of which a busy machine takes most; restic by itself would go on for 900"""
MODES = ("stat", "--format=%a %U %G", MEDIA, f"{MEDIA}/public", f"{MEDIA}/data", PHOTO)


@dataclass(frozen=True)
class Place:
    """Where backups go: inputs, all bytes that are there, and the network that this takes."""

    inputs: dict[str, str]
    stored: Callable[[], bytes]
    network: str


@pytest.fixture
def directory(tmp_path: Path) -> Place:
    """A directory of this machine."""
    backups = tmp_path / "backups"

    def stored() -> bytes:
        return b"".join(path.read_bytes() for path in backups.rglob("*") if path.is_file())

    return Place({"STACK_BACKUP": "local", "STACK_BACKUP_PATH": str(backups)}, stored, "none")


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[Place]:
    """A bucket in a container on the engine's own network."""
    (tmp_path / "store").mkdir()
    with backup_store(tmp_path / "store", network="bridge") as store:
        trusted = tmp_path / "authorities.pem"
        trusted.write_text(Path(CA_BUNDLE).read_text() + store.certificate.read_text())
        inputs = {
            "STACK_BACKUP": "s3",
            "STACK_BACKUP_HOST": store.address,
            "STACK_BACKUP_BUCKET": BUCKET,
            "STACK_BACKUP_PATH": "/shop",
            "CA_BUNDLE": str(trusted),
            "AWS_ACCESS_KEY_ID": "key-of-the-bucket",
            "AWS_SECRET_ACCESS_KEY": "secret-of-the-bucket",
        }
        yield Place(inputs, lambda: b"".join(map(store.object, store.objects())), "bridge")


@pytest.fixture(params=["directory", "bucket"])
def place(request: pytest.FixtureRequest) -> Place:
    place: Place = request.getfixturevalue(request.param)
    return place


@pytest.fixture
def kept(compose_stack: ComposeStack, place: Place, tmp_path: Path) -> Iterator[ComposeStack]:
    """The stack with a row, a file, and a destination."""
    stack = replace(
        compose_stack, inputs={**place.inputs, "XDG_CONFIG_HOME": str(tmp_path / "config")}
    )
    stack.sql("CREATE TABLE kept AS SELECT 4711 AS number")
    make = f"mkdir -m 2770 {MEDIA}/data && echo of the visitor > {PHOTO} && chmod 600 {PHOTO}"
    stack.execute("web", "sh", "-c", make)
    yield stack
    stack.sql("DROP TABLE kept")
    stack.execute("web", "rm", "-r", f"{MEDIA}/data")


def make(stack: ComposeStack, *words: str) -> subprocess.CompletedProcess[str]:
    return stack.run("make", "--silent", "TARGET=compose", *words, check=False)


def seen(stack: ComposeStack) -> tuple[subprocess.CompletedProcess[str], str]:
    """A backup, and all that the engine told of its containers meanwhile."""
    label = f"label=com.docker.compose.project={stack.project}"
    listed = ("docker", "ps", "--quiet", "--filter", label, "--filter")
    told = ""
    with subprocess.Popen(
        ["make", "--silent", "TARGET=compose", "backup"],
        cwd=stack.checkout,
        env=stack.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        while process.poll() is None:
            ids = stack.run(*listed, "label=com.docker.compose.service=backup").stdout.split()
            if ids:
                told += stack.run("docker", "inspect", *ids, check=False).stdout
            time.sleep(0.2)
        output, errors = process.communicate()
    return subprocess.CompletedProcess([], process.returncode, output, errors), told


def test_lost_volumes_come_back_with_rows_and_files(
    kept: ComposeStack, place: Place, tmp_path: Path
) -> None:
    modes = kept.execute("web", *MODES).stdout
    backup, told = seen(kept)
    assert backup.returncode == 0, backup.stderr
    rows, files = backup.stdout.partition("rows as of ")[2].partition(", in ")[0].split(", files ")
    passphrase = (tmp_path / "config/pgstack/backup-passphrase").read_text().strip()
    assert len(passphrase) == 64
    assert f'"NetworkMode": "{place.network}"' in told
    words = (passphrase, "of-the-bucket", "docker.sock", '"HostPort"')
    assert not [word for word in words if word in told]
    stored = place.stored()
    assert len(stored) > 10_000
    assert not [text for text in (b"of the visitor", b"4711", b"photo") if text in stored]

    refused = make(kept, "restore")
    assert refused.returncode == 2
    assert "OVERWRITE=yes" in refused.stderr
    assert kept.get("/readyz")[0] == 200

    kept.compose("down")
    kept.run("docker", "volume", "rm", f"{kept.project}_data", f"{kept.project}_media")
    back = make(kept, "restore")
    assert back.returncode == 0, back.stderr
    assert f"rows as of {rows}, files {files}" in back.stdout
    assert kept.sql("SELECT number FROM kept") == "4711"
    assert kept.execute("web", "cat", PHOTO).stdout == "of the visitor\n"
    assert kept.execute("web", *MODES).stdout == modes
    assert kept.verifies()
    kept.wait_until_steady()

    kept.sql("UPDATE kept SET number = 1")
    kept.execute("web", "sh", "-c", f"echo spoilt > {PHOTO}")
    again = make(kept, "restore", "OVERWRITE=yes")
    assert again.returncode == 0, again.stderr
    assert kept.sql("SELECT number FROM kept") == "4711"
    assert kept.execute("web", "cat", PHOTO).stdout == "of the visitor\n"
    (aside,) = kept.sql("SELECT datname FROM pg_database WHERE datname LIKE '%before%'").split()
    kept.sql(f'DROP DATABASE "{aside}"')


def test_a_bucket_whose_certificate_nobody_trusts_is_refused_at_once(
    stack: ComposeStack, bucket: Place, tmp_path: Path
) -> None:
    own = {"CA_BUNDLE": CA_BUNDLE, "XDG_CONFIG_HOME": str(tmp_path / "config")}
    stranger = stack.with_inputs(bucket.inputs | own)
    stranger.compose("--profile=backup", "build", "backup")
    for words in (("backup",), ("restore", "OVERWRITE=yes")):
        began = time.monotonic()
        refused = make(stranger, *words)
        assert time.monotonic() - began < REFUSED_SECONDS
        assert refused.returncode == 2
        assert "x509: certificate signed by unknown authority. Have a cert" in refused.stderr
    label = f"label=com.docker.compose.project={stack.project}"
    ran = ("docker", "ps", "--all", "--quiet", "--filter", label, "--filter")
    assert not stack.run(*ran, "label=com.docker.compose.oneoff=True").stdout
    assert bucket.stored() == b""


def test_what_cannot_be_kept_or_brought_back_is_refused(
    compose_stack: ComposeStack, tmp_path: Path
) -> None:
    nowhere = make(compose_stack, "backup")
    assert (nowhere.returncode, "STACK_BACKUP: no destination." in nowhere.stderr) == (2, True)
    bucket = {"STACK_BACKUP": "s3", "STACK_BACKUP_HOST": "s3", "STACK_BACKUP_BUCKET": "shop"}
    keyless = make(compose_stack.with_inputs(bucket), "backup")
    assert (keyless.returncode, "AWS_ACCESS_KEY_ID" in keyless.stderr) == (2, True)
    assert compose_stack.get("/readyz")[0] == 200
