"""A release and the way back under a steady load: no request and no acknowledged write is lost."""

from __future__ import annotations

import urllib.error
from pathlib import Path

import projects
import pytest
from systemd_host import INPUTS, SystemdHost

pytestmark = [pytest.mark.host, pytest.mark.timeout(900)]


def exporter_process(site: SystemdHost) -> str:
    """Number of the process of what runs beside the site and has no part in a release."""
    show = ("systemctl", "show", "--property=MainPID", "--value", "stack-metrics.service")
    return site.run(*show).stdout.strip()


def test_release_and_rollback_lose_no_request(site: SystemdHost, tmp_path: Path) -> None:
    two = projects.make(tmp_path / "two", "two")
    inputs = {**INPUTS, **projects.inputs(two)}
    before, exporter = site.releases(), exporter_process(site)
    site.under_load(lambda: site.played("deploy.yml", stack_inputs=inputs))
    assert site.page(projects.MARK) == "two"
    site.under_load(lambda: site.played("rollback.yml"))
    assert site.releases().split(",")[0] == before.split(",")[0]
    assert exporter_process(site) == exporter != "0"
    with pytest.raises(urllib.error.HTTPError, match="404"):
        site.page(projects.MARK)
