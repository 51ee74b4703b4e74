"""`make engine` and `make base-image`: what they decide, without an engine and without
installing."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from fixtures.releases import NEWEST_IMAGE, SUITES
from pgstack.planning.packages import known

TOOLS = Path(__file__).resolve().parents[2] / "tools"
PYTHON = "/usr/bin/python3"


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(TOOLS)
    return importlib.import_module("engine")


@pytest.fixture
def cli_plugins(engine: ModuleType) -> ModuleType:
    return importlib.import_module("cli_plugins")


@pytest.fixture
def debian(engine: ModuleType) -> ModuleType:
    return importlib.import_module("debian")


def run_tool(
    tool: str, directory: Path, fake_docker: str | None = None, *arguments: str
) -> subprocess.CompletedProcess[str]:
    """Run a tool in the system's Python; `fake_docker` is a shell script that answers as the Docker
    CLI."""
    if fake_docker is not None:
        (directory / "docker").write_text(f"#!/bin/sh\n{fake_docker}\n")
        (directory / "docker").chmod(0o755)
    path = f"{directory}:/usr/bin:/bin"
    return subprocess.run(
        [PYTHON, str(TOOLS / tool), *arguments],
        env={"PATH": path, "DOCKER_HOST": "tcp://127.0.0.1:9"},
        capture_output=True,
        text=True,
        check=False,
    )


COMPLETE = """
case "$1 $2" in
    "info --format") echo 26.1.5 ;;
    "compose version") echo 2.26.1 ;;
    "buildx version") echo github.com/docker/buildx 0.13.1 ;;
    "image inspect") echo sha256:1 ;;
    *) exit 1 ;;
esac
"""


def test_complete_engine_is_left_alone(tmp_path: Path) -> None:
    done = run_tool("engine.py", tmp_path, COMPLETE)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "engine: ready: Docker Engine 26.1.5, Compose 2.26.1, buildx 0.13.1\n"


def test_engine_elsewhere_that_does_not_answer_is_named(tmp_path: Path) -> None:
    done = run_tool("engine.py", tmp_path, "exit 1")
    assert done.returncode == 2
    assert "DOCKER_HOST=tcp://127.0.0.1:9 does not answer" in done.stderr
    assert "Unset it" in done.stderr


def test_base_image_that_is_there_is_left_alone(tmp_path: Path) -> None:
    done = run_tool("base_image.py", tmp_path, COMPLETE)
    assert (done.returncode, done.stdout) == (0, f"base-image: {NEWEST_IMAGE} is there\n")


def test_base_image_without_an_engine_sends_to_make_engine(tmp_path: Path) -> None:
    done = run_tool("base_image.py", tmp_path, "exit 1")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "base-image: no Docker engine answers.\n  Run: make engine\n"


def test_base_image_of_an_unknown_suite_is_refused(tmp_path: Path) -> None:
    done = run_tool("base_image.py", tmp_path, COMPLETE, "bullseye")
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        done.stderr
        == f"base-image: bullseye: not a suite.\n  Name one of {', '.join(SUITES)}, or none.\n"
    )


def test_compose_v1_counts_as_missing(engine: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        engine, "answers", lambda command: "1.29.2" if "compose" in command else None
    )
    assert engine.detect().compose is None


@pytest.mark.parametrize(
    ("release", "server", "compose", "buildx", "wanted"),
    [
        ("12", None, None, None, ["docker.io", "iptables", "ca-certificates"]),
        ("12", "20.10", None, None, []),
        (
            "13",
            None,
            None,
            None,
            [
                "docker.io",
                "iptables",
                "ca-certificates",
                "docker-cli",
                "docker-compose",
                "docker-buildx",
            ],
        ),
        ("13", "26.1", "2.26", None, ["docker-cli", "docker-buildx"]),
    ],
)
def test_only_the_missing_packages_are_installed(
    engine: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    release: str,
    server: str | None,
    compose: str | None,
    buildx: str | None,
    wanted: list[str],
) -> None:
    monkeypatch.setattr(engine.shutil, "which", lambda name: None)
    monkeypatch.setattr(engine, "_apparmor_enabled", lambda: False)
    assert engine.packages(engine.Engine(server, compose, buildx), release) == wanted


def test_apparmor_tools_come_along_where_the_kernel_uses_them(
    engine: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine.shutil, "which", lambda name: None)
    monkeypatch.setattr(engine, "_apparmor_enabled", lambda: True)
    assert "apparmor" in engine.packages(engine.Engine(None, None, None), "12")


def test_archive_is_the_one_that_apt_already_uses(
    cli_plugins: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    listing = (
        "Vendor|Vendor|main|http://vendor.invalid/\n"
        "Debian|Debian-Security|main|http://security.invalid/\n"
        "Debian|Debian|contrib|http://contrib.invalid/\n"
        "Debian|Debian|main|http://mirror.invalid/debian/\n"
    )
    monkeypatch.setattr(cli_plugins.debian, "run", lambda command: listing)
    assert cli_plugins.archive() == "http://mirror.invalid/debian/"


def test_other_suite_is_known_to_a_private_apt_alone(
    cli_plugins: ModuleType, tmp_path: Path
) -> None:
    command = cli_plugins.private_apt(tmp_path, "http://mirror.invalid/debian/")
    source = (tmp_path / "sources.list").read_text()
    assert source.endswith(f"http://mirror.invalid/debian/ {cli_plugins.SUITE} main\n")
    assert "-oDir::Etc::SourceParts=-" in command
    assert f"-oDir::State::Lists={tmp_path}/lists" in command


@pytest.mark.parametrize(
    ("text", "release"),
    [
        ('ID=debian\nVERSION_ID="12"\n', "12"),
        ('ID=debian\nVERSION_ID="13"\n', "13"),
        ('ID=debian\nVERSION_ID="11"\n', None),
        ('ID=other\nVERSION_ID="12"\n', None),
        ("ID=debian\n", None),
    ],
)
def test_debian_release_is_read_from_os_release(
    debian: ModuleType, tmp_path: Path, text: str, release: str | None
) -> None:
    (tmp_path / "os-release").write_text(text)
    assert debian.version(tmp_path / "os-release") == release


def test_user_who_is_not_root_is_told_the_command(
    debian: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(debian, "version", lambda: "12")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(sys, "argv", ["tools/engine.py"])
    with pytest.raises(
        debian.ToolError, match=r"needs root\.\n  Run as root: /usr/bin/python3 tools/engine\.py$"
    ):
        debian.require_debian_root("installing a Docker engine", "unused")


def test_other_systems_are_told_what_to_install_by_hand(
    debian: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(debian, "version", lambda: None)
    with pytest.raises(
        debian.ToolError,
        match=rf"needs Debian {known('or')}, and this is neither\.\n  Do it by hand\.",
    ):
        debian.require_debian_root("installing a Docker engine", "Do it by hand.")


def test_failed_command_ends_in_one_error_with_its_last_lines(debian: ModuleType) -> None:
    with pytest.raises(debian.ToolError) as caught:
        debian.run(["sh", "-c", "seq 100; exit 3"])
    assert "status 3" in str(caught.value)
    assert "    100" in str(caught.value)
    assert "    85\n" not in str(caught.value)


@pytest.mark.parametrize(("comm", "kept"), [("dockerd", True), ("sshd", False)])
def test_pid_file_of_another_process_does_not_stop_the_engine(
    engine: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, comm: str, kept: bool
) -> None:
    (tmp_path / "docker.pid").write_text("4321")
    (tmp_path / "4321").mkdir()
    (tmp_path / "4321/comm").write_text(f"{comm}\n")
    monkeypatch.setattr(engine, "PID_FILE", tmp_path / "docker.pid")
    monkeypatch.setattr(engine, "PROC", tmp_path)
    engine._drop_stale_pid_file()
    assert (tmp_path / "docker.pid").exists() is kept


@pytest.mark.parametrize(
    ("file", "variable", "external"),
    [
        ("STACK_DATABASE_URL=postgresql://dba@db.example/site\n", None, True),
        ("", "postgresql://dba@db.example/site", True),
        ("", None, False),
    ],
)
def test_a_backup_of_containers_knows_whose_postgresql_it_is(
    file: str,
    variable: str | None,
    external: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By what compose.yaml reads: `.env` in the checkout, and the environment."""
    monkeypatch.syspath_prepend(TOOLS)
    monkeypatch.setattr(importlib.import_module("install"), "ROOT", tmp_path)
    (tmp_path / ".env").write_text(file)
    monkeypatch.delenv("STACK_DATABASE_URL", raising=False)
    if variable:
        monkeypatch.setenv("STACK_DATABASE_URL", variable)
    assert importlib.import_module("install").is_external() is external
