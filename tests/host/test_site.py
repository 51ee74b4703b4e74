"""`ansible-playbook site.yml` on a virgin Debian host: served, verified, and left alone by a second run."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest
from systemd_host import SystemdHost, changed, systemd_host

pytestmark = pytest.mark.host


@pytest.fixture(scope="module", params=["trixie", "bookworm"])
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SystemdHost]:
    """A virgin host of each release."""
    with systemd_host(request.param, tmp_path_factory.mktemp(request.param)) as booted:
        yield booted


@pytest.fixture(scope="module")
def refused(host: SystemdHost) -> subprocess.CompletedProcess[str]:
    """A run with an input that is misspelt, on the virgin host."""
    return host.play("site.yml", stack_inputs={"procesess": 2})


@pytest.fixture(scope="module")
def site(host: SystemdHost, refused: object) -> subprocess.CompletedProcess[str]:
    """The first run."""
    done = host.play("site.yml")
    assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-2000:]}"
    return done


def test_a_misspelt_input_is_refused_before_anything_changes(
    host: SystemdHost, refused: subprocess.CompletedProcess[str]
) -> None:
    assert refused.returncode == 2
    assert "procesess" in refused.stdout
    assert "processes" in refused.stdout, "what there is instead"
    assert changed(refused) == 0


def test_the_page_arrives_and_the_stack_is_what_was_planned(
    host: SystemdHost, site: subprocess.CompletedProcess[str]
) -> None:
    assert "<h1" in host.page()
    assert host.failed() == ""
    verified = host.run("stack-manage", "stack_verify", check=False)
    assert verified.returncode == 0, verified.stdout


@pytest.mark.usefixtures("site")
def test_a_second_run_changes_nothing(host: SystemdHost) -> None:
    again = host.play("site.yml")
    assert again.returncode == 0, again.stdout
    assert changed(again) == 0, again.stdout


@pytest.mark.usefixtures("site")
def test_a_rebooted_host_serves_by_itself(host: SystemdHost) -> None:
    host.reboot()
    assert "<h1" in host.page()
    assert host.failed() == ""
