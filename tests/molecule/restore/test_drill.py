"""A rehearsed restore: everything comes back from the backup, beside the database that serves."""

from __future__ import annotations

import json

import pytest
from systemd_host import SystemdHost

pytestmark = pytest.mark.host


def test_a_drill_restores_everything_and_leaves_nothing(site: SystemdHost) -> None:
    assert "passed" in site.run("stackctl", "drill").stdout
    state = json.loads(site.run("cat", "/var/lib/stack-backup/drill.json").stdout)
    assert (state["result"], state["tables"] >= 5) == ("passed", True)
    assert site.run("ls", "/var/lib/stack-backup").stdout.split() == ["drill.json"]
    assert "passed" in site.run("journalctl", "--unit=stack-drill", "--output=cat").stdout
    assert "<h1" in site.page()
