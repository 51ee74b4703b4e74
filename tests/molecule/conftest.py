"""The host that these tests run on: the Molecule scenario's, or one of their own when pytest is
called by hand."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import systemd_host
from systemd_host import SystemdHost

from fixtures.releases import NEWEST_SUITE


@pytest.fixture(scope="session")
def virgin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SystemdHost]:
    """A host on which site.yml has not run yet."""
    scenario = os.environ.get("MOLECULE_EPHEMERAL_DIRECTORY")
    if scenario:
        yield systemd_host.running(Path(scenario) / "host")
    else:
        with systemd_host.systemd_host(NEWEST_SUITE, tmp_path_factory.mktemp("host")) as booted:
            yield booted


@pytest.fixture(scope="session")
def site(virgin: SystemdHost) -> SystemdHost:
    """A host that site.yml has set up."""
    if "MOLECULE_EPHEMERAL_DIRECTORY" not in os.environ:
        virgin.played("site.yml")
    return virgin
