"""The self-signed certificate: what it says, when it is made again, and that a failure changes
nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from pgstack.errors import InputError, RenderError
from pgstack.ops import rendered
from pgstack.planning import sizing
from pgstack.planning.config import StackConfig
from pgstack.planning.hardware import Hardware
from pgstack.planning.plan import Plan
from pgstack.rendering import files, tls

pytestmark = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="openssl is missing; apt-get install openssl"
)


def plan(directory: Path, *hosts: str) -> Plan:
    """A plan whose certificate belongs in `directory`."""
    config = StackConfig(
        target="compose", tls="self-signed", hosts=",".join(hosts or ("localhost",))
    )
    made = sizing.plan(config, Hardware(2, 4 * 1024**3, 13, 65536))
    places = {"tls_certificate": f"{directory}/certificate.pem", "tls_key": f"{directory}/key.pem"}
    return made.model_copy(update={"site": made.site.model_copy(update=places)})


def text(path: Path) -> str:
    command = ["openssl", "x509", "-in", str(path), "-noout", "-text"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_certificate_names_the_hosts_and_signs_nothing_else(tmp_path: Path) -> None:
    rendered.write(tls.files(plan(tmp_path, "localhost", ".example.org", "127.0.0.1", "[::1]")))
    shown = text(tmp_path / "certificate.pem")
    names = (
        "DNS:*.example.org, DNS:example.org, DNS:localhost, IP Address:127.0.0.1, IP "
        "Address:0:0:0:0:0:0:0:1\n"
    )
    assert names in shown
    assert "CA:FALSE" in shown
    assert "TLS Web Server Authentication" in shown


def test_key_has_its_mode(tmp_path: Path) -> None:
    rendered.write(tls.files(plan(tmp_path)))
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes == {"certificate.pem": 0o444, "key.pem": 0o440}


def test_good_certificate_is_kept(tmp_path: Path) -> None:
    rendered.write(tls.files(plan(tmp_path, "localhost", ".example.org", "[::1]")))
    # The order of the hosts does not matter.
    assert files.difference(tls.files(plan(tmp_path, "[::1]", ".example.org", "localhost"))) == ""


@pytest.mark.parametrize("hosts", [("localhost", "example.org"), ("example.org",), (".localhost",)])
def test_other_hosts_get_another_certificate(tmp_path: Path, hosts: tuple[str, ...]) -> None:
    rendered.write(tls.files(plan(tmp_path, "localhost")))
    assert "key.pem: the content differs" in files.difference(tls.files(plan(tmp_path, *hosts)))


@pytest.mark.parametrize(("days", "kept"), [(29, False), (31, True)])
def test_certificate_is_made_anew_in_its_last_thirty_days(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int, kept: bool
) -> None:
    monkeypatch.setattr(tls, "VALID_DAYS", days)
    rendered.write(tls.files(plan(tmp_path)))
    assert (files.difference(tls.files(plan(tmp_path))) == "") is kept


@pytest.mark.parametrize("damage", ["certificate.pem", "key.pem"])
def test_damaged_pair_is_made_anew(tmp_path: Path, damage: str) -> None:
    rendered.write(tls.files(plan(tmp_path)))
    (tmp_path / damage).chmod(0o600)
    (tmp_path / damage).write_text("damaged\n")
    rendered.write(tls.files(plan(tmp_path)))
    assert files.difference(tls.files(plan(tmp_path))) == ""
    assert "DNS:localhost" in text(tmp_path / "certificate.pem")


def test_openssl_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failing = tmp_path / "bin"
    failing.mkdir()
    (failing / "openssl").write_text(
        '#!/bin/sh\nfor last; do :; done\necho half > "$last"\necho no entropy >&2\nexit 1\n'
    )
    (failing / "openssl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{failing}:{os.environ['PATH']}")
    with pytest.raises(
        RenderError,
        match=r"STACK_TLS=self-signed: openssl made no certificate \(no entropy\); nothing",
    ):
        tls.files(plan(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["bin"]


def test_host_reads_copies_too() -> None:
    """Its Apache is not root, and what certbot writes is root's alone."""
    files = {
        "tls_certificate": Path("/etc/site/fullchain.pem"),
        "tls_key": Path("/etc/site/privkey.pem"),
    }
    made = sizing.plan(
        StackConfig(target="host", tls="files", **files), Hardware(2, 4 * 1024**3, 13, 65536)
    )
    assert made.site.tls_certificate == "/etc/stack-tls/certificate.pem"
    assert made.site.tls_key == "/etc/stack-tls/key.pem"
    with pytest.raises(
        InputError, match=r"STACK_TLS_CERTIFICATE=/etc/site/fullchain\.pem: no such file"
    ):
        tls.files(made)
