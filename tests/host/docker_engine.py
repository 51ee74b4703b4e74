"""The Docker engine that runs hosts of tests."""

from __future__ import annotations

import subprocess

import pytest


def docker(
    *arguments: str, check: bool = True, text: str | None = None
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        ["docker", *arguments], input=text, capture_output=True, text=True, check=False
    )
    if check and done.returncode:
        pytest.fail(f"docker {' '.join(arguments[:3])}: {done.stderr.strip()}")
    return done


def address(container: str) -> str:
    """Address of a container on its network."""
    form = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    return docker("inspect", "--format", form, container).stdout.strip()


def require_engine() -> None:
    """Skip, saying what is missing and how to get it."""
    try:
        answer = docker("version", "--format={{.Server.Version}}", check=False)
    except FileNotFoundError:
        pytest.skip("docker is missing; run `make engine` as root")
    if answer.returncode:
        pytest.skip(
            f"no Docker engine answers ({answer.stderr.strip()}); run `make engine` as root"
        )
