"""Backups of the local target: a directory that was lost comes back with its rows and files."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from backup_store import BUCKET, backup_store
from docker_engine import require_engine

from fixtures import certificates
from fixtures.local_stack import LocalStack
from pgstack.errors import TargetError
from pgstack.live.probes import exporter
from pgstack.ops.restic import Repository
from pgstack.planning import backup_place
from pgstack.planning.metrics import Metrics
from pgstack.ports import free_port

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not shutil.which("restic"), reason="restic is missing; apt-get install restic"
    ),
]
AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"


@dataclass(frozen=True)
class Trusting(LocalStack):
    """A stack on a machine that knows who signed the certificate of a bucket."""

    authorities: str = AUTHORITIES

    def command(self, *arguments: str) -> list[str]:
        """The same, among mounts of its own."""
        trust = f'mount --bind "$0" {AUTHORITIES} && exec "$@"'
        own = ("unshare", "--mount", "sh", "-c", trust, self.authorities)
        return [*own, *super().command(*arguments)]


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        monkeypatch.setenv("XDG_CONFIG_HOME", f"{name}/config")
        yield Path(name)


@pytest.fixture
def directory(place: Path) -> LocalStack:
    """A stack with its backups in a directory of this machine."""
    inputs = {"STACK_BACKUP": "local", "STACK_BACKUP_PATH": str(place / "backups")}
    return LocalStack(place / "stack", free_port(), inputs)


@pytest.fixture
def bucket(place: Path) -> Iterator[LocalStack]:
    """One with its backups in a bucket."""
    require_engine()
    if os.geteuid():
        pytest.skip("a bucket's certificate is trusted by a mount; run as root")
    (place / "store").mkdir()
    with backup_store(place / "store", network="bridge") as store:
        trusted = place / "authorities.pem"
        trusted.write_text(Path(AUTHORITIES).read_text() + store.certificate.read_text())
        inputs = {
            "STACK_BACKUP": "s3",
            "STACK_BACKUP_HOST": store.address,
            "STACK_BACKUP_BUCKET": BUCKET,
            "STACK_BACKUP_PATH": "/shop",
            "AWS_ACCESS_KEY_ID": "key-of-the-bucket",
            "AWS_SECRET_ACCESS_KEY": "secret-of-the-bucket",
        }
        yield Trusting(place / "stack", free_port(), inputs, str(trusted))
        assert not [name for name in store.objects() if b"of the visitor" in store.object(name)]


@pytest.fixture(params=["directory", "bucket"])
def stack(request: pytest.FixtureRequest) -> Iterator[LocalStack]:
    stack: LocalStack = request.getfixturevalue(request.param)
    try:
        yield stack
    finally:
        stack.manage("stack_local", "delete")


def told(stack: LocalStack) -> float:
    """The moment of the last backup as the exporter has it."""
    socket = f"{stack.directory}/run/metrics/metrics.sock"
    text = exporter.scrape(Metrics(socket=socket, port=0, facts="", processes="", connections=1))
    lines = dict(line.split(" ", 1) for line in text.splitlines() if line[0] != "#")
    return float(lines["pgstack_backup_timestamp_seconds"])


def test_a_lost_directory_comes_back_with_rows_and_files(stack: LocalStack) -> None:
    assert stack.manage("stack_local", "up").returncode == 0
    photo = stack.directory / "media/data/photo"
    photo.parent.mkdir()
    photo.write_text("of the visitor")
    shutil.chown(photo.parent, photo.parent.parent.owner())
    stack.sql("CREATE TABLE kept AS SELECT 4711 AS number")
    kept = stack.manage("stack_local", "backup")
    assert kept.returncode == 0, kept.stderr
    assert "rows as of" in kept.stdout
    assert "backup-passphrase" in kept.stdout
    assert 0 <= time.time() - told(stack) < 60, "the exporter says how old it is"
    refused = stack.manage("stack_local", "restore")
    assert (refused.returncode, "OVERWRITE=yes" in refused.stderr) == (2, True)

    stack.manage("stack_local", "delete")
    assert not stack.directory.exists()
    back = stack.manage("stack_local", "restore")
    assert back.returncode == 0, back.stderr
    assert kept.stdout.partition("rows as of")[2].partition(", in")[0] in back.stdout
    assert stack.sql("SELECT number FROM kept") == "4711"
    assert photo.read_text() == "of the visitor"
    assert stack.answers()

    stack.sql("UPDATE kept SET number = 1")
    photo.write_text("spoilt")
    again = stack.manage("stack_local", "restore", "--overwrite=yes")
    assert again.returncode == 0, again.stderr
    assert stack.sql("SELECT number FROM kept") == "4711"
    assert photo.read_text() == "of the visitor"
    (aside,) = (stack.directory / "media").glob(".before-*/data/photo")
    assert aside.read_text() == "spoilt", "what was there is kept"
    assert "app-before-" in stack.sql("SELECT string_agg(datname, ' ') FROM pg_database")


@contextmanager
def stranger(directory: Path) -> Iterator[int]:
    """Port of a server with a certificate that nobody trusts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate = certificates.self_signed(directory, "DNS:localhost")
    context.load_cert_chain(certificate, directory / "key.pem")
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            with suppress(OSError):
                while True:
                    with server.accept()[0] as client, suppress(ssl.SSLError):
                        context.wrap_socket(client, server_side=True).close()

        thread = threading.Thread(target=answer)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_a_bucket_whose_certificate_nobody_trusts_is_refused_at_once(tmp_path: Path) -> None:
    keys = {"RESTIC_PASSWORD": "x", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
    with stranger(tmp_path) as port:
        place, options = backup_place.bucket(f"localhost:{port}", "shop", "local", "/x")
        began = time.monotonic()
        with pytest.raises(TargetError, match="x509: certificate signed by unknown authority"):
            Repository(place, keys, options).make()
    assert time.monotonic() - began < 10
