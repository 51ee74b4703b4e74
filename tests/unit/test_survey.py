"""What a host says of itself, before Ansible asks it for more."""

from __future__ import annotations

from pathlib import Path

import pytest

import survey


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only directory with programs."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    return tmp_path


def program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_only_packages_that_are_installed_and_stay_count(
    programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = "ii  acl\nrc  apache2\niF  sudo\nii  pgbouncer\nii  openssl\nii  perl\n"
    program(programs / "dpkg-query", f"cat << END\n{known}END")
    (programs / "marks").write_text(
        "Package: openssl\nArchitecture: amd64\nAuto-Installed: 1\n\nPackage: acl\nAuto-Installed: "
        "0\n\n"
        "Package: perl\nAuto-Installed: 1\n"
    )
    monkeypatch.setattr(survey, "MARKS", programs / "marks")
    assert survey.survey()["packages"] == ["acl", "pgbouncer"]


def test_only_units_that_run_and_start_at_boot_count(programs: Path) -> None:
    program(
        programs / "systemctl",
        "case $1 in list-units) printf 'a.timer loaded\\nb.timer loaded\\n';; *) printf 'b.timer "
        "enabled\\n';; esac",
    )
    assert survey.survey()["units"] == ["b.timer"]


def test_a_system_without_either_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    surveyed = survey.survey()
    assert (surveyed["packages"], surveyed["units"]) == ([], [])


def test_only_what_was_made_to_its_end_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("cut-off", "whole"):
        (tmp_path / name).mkdir()
    (tmp_path / "whole/complete").touch()
    monkeypatch.setattr(survey, "RELEASES", tmp_path)
    assert survey.survey()["releases"] == ["whole"]


def test_what_was_made_once_is_told_and_no_link_that_leads_nowhere(tmp_path: Path) -> None:
    cluster = tmp_path / "postgresql/17/main"
    for name in ("conf.d", "../../16/other", "../../../stack-secrets"):
        (cluster / name).mkdir(parents=True)
    for name in ("start.conf", "../../16/other/start.conf"):
        (cluster / name).touch()
    (cluster / "conf.d/pgstack.conf").symlink_to(tmp_path / "nothing")
    assert list(survey._made(tmp_path)) == [str(cluster / "start.conf")]


def test_units_that_are_masked_are_told(tmp_path: Path) -> None:
    (tmp_path / "pgbouncer.service").symlink_to("/dev/null")
    (tmp_path / "alias.service").symlink_to("/usr/lib/systemd/system/cron.service")
    (tmp_path / "own.service").touch()
    assert list(survey._masked(tmp_path)) == ["pgbouncer.service"]


def test_an_account_is_told_with_its_login_and_its_groups() -> None:
    surveyed = survey.survey()
    assert surveyed["logins"]["root"] == ["/root", "/bin/bash"]
    assert "root" in surveyed["accounts"]
    assert surveyed["groups"]["root"] == []
