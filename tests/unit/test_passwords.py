"""Verifiers that PostgreSQL keeps of passwords, and the authority that web hosts trust."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[2] / "host"))

from fixtures.host_plan import host_plan
from stackctl import authority, passwords, safe
from stackctl.stack import Stack

SALT = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
"""of the example in RFC 7677, section 3; the user is `user`, the password `pencil`"""
KEPT = (
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
)


def test_a_verifier_is_that_of_the_standard() -> None:
    assert passwords.verifier("pencil", SALT) == KEPT


@pytest.mark.parametrize("kept", ["", "md5" + 32 * "0", KEPT.replace("WG5d", "WG5e")])
def test_another_verifier_is_seen(kept: str) -> None:
    assert passwords.matches("pencil", KEPT)
    assert not passwords.matches("pencil", kept)


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """A database host whose files are below a directory of this test."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is missing; apt-get install openssl")
    for name in ("AUTHORITY", "AUTHORITY_KEY", "ASKED"):
        monkeypatch.setattr(authority, name, tmp_path / getattr(authority, name).name)
    monkeypatch.setattr(authority, "DIRECTORY", tmp_path)
    monkeypatch.setattr(
        safe, "_set_owner_and_mode", lambda handle, mode, *_: os.fchmod(handle, mode)
    )
    return host_plan(postgres={"server_name": "db.example"})


def holds(name: str) -> bool:
    words = [
        "openssl",
        "verify",
        "-CAfile",
        authority.AUTHORITY,
        "-verify_hostname",
        name,
        authority.DIRECTORY / "server.pem",
    ]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


def test_a_certificate_names_its_host_and_is_kept(places: Stack) -> None:
    assert authority.apply(places)
    assert holds("db.example")
    assert not holds("other.example")
    assert not authority.apply(places), "it is there"
    assert (authority.DIRECTORY / "server.key").stat().st_mode & 0o777 == 0o640
    assert authority.AUTHORITY_KEY.stat().st_mode & 0o777 == 0o600


def test_a_new_name_takes_a_new_certificate(places: Stack) -> None:
    authority.apply(places)
    assert authority.apply(host_plan(postgres={"server_name": "10.0.0.5"}))
    assert not holds("db.example")


def test_a_new_certificate_is_made_when_it_is_asked_for(places: Stack) -> None:
    authority.apply(places)
    certificate = authority.DIRECTORY / "server.pem"
    before = certificate.read_text()
    assert not authority.renew(), "the authority has years left"
    assert certificate.read_text() == before, "not before the web hosts are ready"
    assert authority.apply(places)
    assert certificate.read_text() != before


def test_an_authority_that_follows_another_is_trusted_beside_it(
    places: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority.apply(places)
    monkeypatch.setattr(authority, "RENEW_AUTHORITY_DAYS", 4000)
    assert authority.renew()
    assert authority.AUTHORITY.read_text().count("BEGIN CERTIFICATE") == 2
    assert holds("db.example"), "what PostgreSQL still shows"
    assert authority.apply(places)
    assert holds("db.example")
    authority.renew()
    assert authority.AUTHORITY.read_text().count("BEGIN CERTIFICATE") == 2, (
        "not the one before the last"
    )
