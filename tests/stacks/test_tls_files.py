"""STACK_TLS=files: the user's certificate is served, and one that cannot be used is refused in
time."""

from __future__ import annotations

import json
import re
import shutil
import ssl
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures import certificates
from fixtures.local_stack import LocalStack
from pgstack.ports import free_port


@pytest.fixture(scope="module")
def files() -> Iterator[Path]:
    """Certificates and keys, good and bad, in a directory that the stack's account may enter."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is missing; apt-get install openssl")
    directory = Path(tempfile.mkdtemp(prefix="tls-", dir="/tmp"))
    directory.chmod(0o755)
    for name in ("one", "two"):
        command = (
            f"openssl req -x509 -newkey rsa:2048 -nodes -subj /CN={name} -keyout {name}.key -out "
            f"{name}.pem"
        )
        subprocess.run(command.split(), cwd=directory, check=True, capture_output=True)
    command = "openssl rsa -aes128 -passout pass:secret -in one.key -out locked.key"
    subprocess.run(command.split(), cwd=directory, check=True, capture_output=True)
    for name, days in {
        "old": (-400, -1),
        "early": (1, 90),
        "short": (-80, 13.9),
        "long": (-80, 15.1),
    }.items():
        certificates.valid(directory, name, *days)
    (directory / "words.pem").write_text("not a certificate\n")
    shutil.copy(directory / "one.key", directory / "closed.key")
    for path in directory.iterdir():
        path.chmod(0o644)
    (directory / "closed.key").chmod(0)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def unused() -> Iterator[LocalStack]:
    """A directory where no stack was started yet."""
    directory = Path(tempfile.mkdtemp(prefix="stack-", dir="/tmp"))
    directory.chmod(0o755)
    yield LocalStack(directory, free_port())
    shutil.rmtree(directory)


def pair(files: Path, certificate: str, key: str) -> dict[str, str]:
    return {
        "STACK_TLS": "files",
        "STACK_TLS_CERTIFICATE": str(files / certificate),
        "STACK_TLS_KEY": str(files / key),
    }


REFUSALS = [
    (
        "none.pem",
        "one.key",
        r"STACK_TLS_CERTIFICATE=\S+/none.pem: no such file. Name a PEM file that exists.",
    ),
    (
        "one.pem",
        "none.key",
        r"STACK_TLS_KEY=\S+/none.key: no such file. Name a PEM file that exists.",
    ),
    ("one.pem", ".", r"STACK_TLS_KEY=\S+: Is a directory. Name a PEM file."),
    (
        "one.pem",
        "closed.key",
        r"STACK_TLS_KEY=\S+/closed.key: uid \d+, which runs the stack, may not read it. Let it",
    ),
    (
        "words.pem",
        "one.key",
        r"STACK_TLS_CERTIFICATE=\S+/words.pem: it holds no certificate. Name a chain in PEM.",
    ),
    (
        "one.pem",
        "words.pem",
        r"STACK_TLS_KEY=\S+/words.pem: openssl refuses it .* Name a PEM key without a passphrase",
    ),
    (
        "one.pem",
        "locked.key",
        r"STACK_TLS_KEY=\S+/locked.key: openssl refuses it .* without a passphrase.",
    ),
    (
        "old.pem",
        "old.key",
        r"STACK_TLS_CERTIFICATE=\S+/old.pem: it expired on \d{4}-\d\d-\d\d. Name one that",
    ),
    (
        "early.pem",
        "early.key",
        r"STACK_TLS_CERTIFICATE=\S+/early.pem: it is not valid before \d{4}-\d\d-\d\d. Name",
    ),
    (
        "one.pem",
        "two.key",
        r"STACK_TLS_KEY=\S+/two.key: it is not the key of the first certificate in STACK_TLS_CERT",
    ),
]


@pytest.mark.parametrize(("certificate", "key", "message"), REFUSALS)
def test_up_refuses_files_that_cannot_be_used(
    unused: LocalStack, files: Path, certificate: str, key: str, message: str
) -> None:
    done = unused.manage("stack_local", "up", **pair(files, certificate, key))
    assert done.returncode == 2
    assert re.match(message, done.stderr), done.stderr
    assert done.stderr.count("\n") == 1
    assert list(unused.directory.iterdir()) == []


def test_refused_files_leave_a_running_stack_as_it_was(tls_stack: LocalStack, files: Path) -> None:
    before = {path: path.read_bytes() for path in tls_stack.directory.glob("*/**/*.pem")}
    plan = (tls_stack.directory / "conf/plan.json").read_bytes()
    servers = {
        process.pid
        for process in tls_stack.processes()
        if process.name() in ("apache2", "pgbouncer")
    }
    done = tls_stack.manage("stack_local", "up", **pair(files, "one.pem", "two.key"))
    assert done.returncode == 2
    assert len(before) == 2
    assert {path: path.read_bytes() for path in tls_stack.directory.glob("*/**/*.pem")} == before
    assert (tls_stack.directory / "conf/plan.json").read_bytes() == plan
    assert servers <= {process.pid for process in tls_stack.processes()}
    assert tls_stack.answers()


def served(stack: LocalStack) -> str:
    return ssl.get_server_certificate(("127.0.0.1", stack.port), timeout=30)


def told(stack: LocalStack) -> tuple[bool, str]:
    """What verify finds of the certificate."""
    findings = json.loads(stack.manage("stack_verify", "--json").stdout)
    return next(
        (finding["holds"], finding["detail"])
        for finding in findings
        if finding["check"] == "certificate has time left"
    )


def test_certificate_of_the_user_is_served_and_followed(tls_stack: LocalStack, files: Path) -> None:
    """From another certificate to the user's, to its successor under the same name, and back."""
    current, key = files / "site.pem", files / "site.key"
    try:
        for name, days in {"short": 13, "long": 15}.items():
            shutil.copy(files / f"{name}.pem", current)
            shutil.copy(files / f"{name}.key", key)
            done = tls_stack.manage("stack_local", "up", **pair(files, "site.pem", "site.key"))
            assert done.returncode == 0, done.stderr
            assert served(tls_stack) == (files / f"{name}.pem").read_text()
            assert told(tls_stack) == (
                days > 13,
                f"the certificate that Apache shows has {days} days left",
            )
        copy = tls_stack.directory / "secrets/tls/key.pem"
        assert copy.stat().st_mode & 0o777 == 0o440
        # What runs was checked and is its own: the originals may go.
        current.unlink()
        key.unlink()
        assert tls_stack.answers()
    finally:
        done = tls_stack.manage("stack_local", "up")
    assert done.returncode == 0, done.stderr
    assert "CN = stack" in subprocess.run(
        ["openssl", "x509", "-noout", "-subject"],
        input=served(tls_stack),
        capture_output=True,
        text=True,
        check=True,
    ).stdout.replace("CN=", "CN = ")


def test_difference_of_a_key_is_named_and_not_shown(tls_stack: LocalStack, files: Path) -> None:
    done = tls_stack.manage("stack_render", "--check", **pair(files, "one.pem", "one.key"))
    assert done.returncode == 1
    assert f"{tls_stack.directory}/secrets/tls/key.pem: the content differs\n" in done.stdout
    assert "PRIVATE KEY" not in done.stdout
