"""What a dry run says on a host that has nothing yet, and that it does nothing."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from systemd_host import SystemdHost

pytestmark = pytest.mark.host


@pytest.fixture(scope="module")
def dry(virgin: SystemdHost) -> str:
    """What Molecule's check action has printed, or a dry run of our own."""
    scenario = os.environ.get("MOLECULE_EPHEMERAL_DIRECTORY")
    if scenario:
        return (Path(scenario) / "ansible.log").read_text()
    done = virgin.played("site.yml", "--check", "--diff")
    return done.stdout


def test_a_dry_run_says_what_it_would_do_and_does_nothing(virgin: SystemdHost, dry: str) -> None:
    assert virgin.changed_since(virgin.ready()) == []
    assert max(int(count) for count in re.findall(r"changed=(\d+)", dry)) > 15
    for line in (
        "+table inet stack",
        "+Description=Apache and mod_wsgi of the stack",
        "+max_connections = ",
    ):
        assert line in dry
    assert "would be built and served" in dry
