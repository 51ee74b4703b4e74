"""One host for the modules of this directory, which one worker of pytest runs; the last takes the
stack off it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from deployed_host import deployed_host
from systemd_host import SystemdHost

from fixtures.releases import NEWEST_SUITE


@pytest.fixture(scope="package")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SystemdHost]:
    """A host with the site."""
    with deployed_host(NEWEST_SUITE, tmp_path_factory.mktemp("hardening")) as booted:
        yield booted
