"""A release and the way back under a steady load: no request and no acknowledged write is lost."""

from __future__ import annotations

import urllib.error
from pathlib import Path

import projects
import pytest
from systemd_host import INPUTS, SystemdHost

pytestmark = [pytest.mark.host, pytest.mark.timeout(900)]


def test_release_and_rollback_lose_no_request(site: SystemdHost, tmp_path: Path) -> None:
    two = projects.make(tmp_path / "two", "two")
    inputs = {**INPUTS, **projects.inputs(two)}
    before = site.releases()
    done = site.under_load(lambda: site.play("deploy.yml", stack_inputs=inputs))
    assert done.returncode == 0, done.stdout
    assert site.page(projects.MARK) == "two"
    done = site.under_load(lambda: site.play("rollback.yml"))
    assert done.returncode == 0, done.stdout
    assert site.releases().split(",")[0] == before.split(",")[0]
    with pytest.raises(urllib.error.HTTPError, match="404"):
        site.page(projects.MARK)
