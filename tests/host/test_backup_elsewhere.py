"""Backups that leave the host, to S3 and by SFTP: kept there, and enough to bring back the site on
a new host."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from backup_store import ACCOUNT, BUCKET, NAME, Store, backup_store
from deployed_host import deployed_host
from ledger import Ledger
from systemd_host import INPUTS, SystemdHost, systemd_host

from fixtures.releases import NEWEST_SUITE

pytestmark = [pytest.mark.host, pytest.mark.slow, pytest.mark.timeout(900)]

S3 = {
    "stack_inputs": {
        **INPUTS,
        "backup": "s3",
        "backup_host": NAME,
        "backup_bucket": BUCKET,
        "backup_path": "/shop",
    },
    "backup_s3_key": "key",
    "backup_s3_secret": "secret",
}
SFTP = {
    **INPUTS,
    "backup": "sftp",
    "backup_host": f"{ACCOUNT}@{NAME}",
    "backup_path": "/srv/backups/shop",
}
PHOTO = "/var/lib/stack-media/public/photo"


@pytest.fixture
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with backup_store(tmp_path_factory.mktemp("store")) as running:
        yield running


Boot = Callable[..., AbstractContextManager[SystemdHost]]


@contextmanager
def booted(boot: Boot, directory: Path, store: Store) -> Iterator[SystemdHost]:
    """A host that nothing more was done to but that it trusts the bucket's address."""
    trust = f"--volume={store.certificate}:/usr/local/share/ca-certificates/store.crt:ro"
    with boot(NEWEST_SUITE, directory, trust, f"--network={store.network}") as host:
        host.run("update-ca-certificates")
        yield host


def good(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-2000:]}"
    return done.stdout


def backed_up(lost: SystemdHost) -> str:
    """Back up the host's rows and a visitor's file into the bucket; returns the passphrase."""
    good(lost.play("site.yml", **S3))
    assert "(full)" in lost.run("stackctl", "backups").stdout
    assert "backup" not in lost.failed()
    Ledger(lost).transfer("first", "second")
    write = f"echo of a visitor > {PHOTO}"
    lost.run("runuser", "-u", "app", "--", "sh", "-c", write)
    lost.run("stackctl", "files", "save")
    lost.run("stackctl", "drill")
    passphrase = lost.run("cat", "/etc/pgbackrest/conf.d/passphrase.conf").stdout
    return passphrase.rpartition("=")[2].strip()


def test_what_is_in_the_bucket_is_encrypted(store: Store, tmp_path: Path) -> None:
    with booted(deployed_host, tmp_path, store) as host:
        backed_up(host)
    assert store.readable() == [], "encrypted before it leaves the host"
    files = [store.object(name) for name in store.objects() if name.startswith("shop-files/")]
    assert files, "they are beside the rows"
    assert not any(b"of a visitor" in content for content in files)


def test_a_bucket_is_enough_to_bring_the_ledger_back_on_a_new_host_and_sftp_after_it(
    tmp_path: Path,
) -> None:
    for name in ("store", "lost", "new"):
        (tmp_path / name).mkdir()
    with backup_store(tmp_path / "store") as store:
        with booted(deployed_host, tmp_path / "lost", store) as lost:
            passphrase = backed_up(lost)
        brought_back(store, tmp_path / "new", passphrase)


def brought_back(store: Store, directory: Path, passphrase: str) -> None:
    """On a new host, which then keeps its backups elsewhere."""
    with booted(systemd_host, directory, store) as new:
        stopped = new.play("site.yml", **S3, backup_passphrase=passphrase)
        assert stopped.returncode == 2, "it does not mix its own, empty database with the backups"
        good(
            new.play(
                "restore.yml",
                **S3,
                backup_passphrase=passphrase,
                backup_target="latest",
                confirm="yes",
            )
        )
        ledger = Ledger(new)
        assert ledger.has("first", "second", "never") == [True, True, False]
        assert new.run("cat", PHOTO).stdout == "of a visitor\n"
        assert ledger.balanced()

        refused = new.play("site.yml", stack_inputs=SFTP, backup_host_key=store.host_keys())
        assert refused.returncode == 2
        key = " ".join(new.run("cat", "/etc/pgbackrest/key.pub").stdout.split()[:2])
        assert f"- {key}\n" in refused.stdout, (
            "what belongs in authorized_keys is told, in one line"
        )
        store.authorize(key)
        good(new.play("site.yml", stack_inputs=SFTP, backup_host_key=store.host_keys()))
        assert any("/shop/backup/" in path for path in store.files())
        ledger.transfer("third")
        new.run("stackctl", "restore", "latest")
        assert ledger.has("first", "second", "third") == [True, True, True]
        assert new.run("stackctl", "backups").returncode == 0
