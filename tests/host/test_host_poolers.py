"""Two PgBouncers on a host: units of one instance, which fail alone, and are replaced together
without a lost request."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import faults
import pytest
from deployed_host import deployed_host
from hardening.asked import wait
from pooler_units import PORTS, clients, main, units
from systemd_host import INPUTS, SystemdHost

from fixtures.releases import CLUSTER, NEWEST_SUITE

pytestmark = [pytest.mark.host, pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SystemdHost]:
    """A host that had one, and was given two while it served."""
    with deployed_host(NEWEST_SUITE, tmp_path_factory.mktemp("host")) as booted:
        done = booted.under_load(lambda: site(booted, 2))
        assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-2000:]}"
        yield booted


def site(host: SystemdHost, poolers: int) -> subprocess.CompletedProcess[str]:
    return host.play("site.yml", stack_inputs={**INPUTS, "poolers": poolers})


def test_both_serve_and_verify_is_green(host: SystemdHost) -> None:
    instance = units(host)[0][-len("a.service")]
    assert units(host) == [
        f"stack-pgbouncer-2@{instance}.service",
        f"stack-pgbouncer@{instance}.service",
    ]
    host.run("stack-manage", "stack_verify")
    code, text, _ = faults.status(host)
    assert (code, f"instance {instance}, 2 processes" in faults.line(text, "pgbouncer")) == (
        0,
        True,
    )
    assert all(clients(host, port) for port in PORTS)


@pytest.mark.parametrize("number", [0, 1])
def test_one_that_is_killed_leaves_the_other_alone(host: SystemdHost, number: int) -> None:
    """The directory of their sockets is a runtime directory of both units."""
    unit = units(host)[1 - number]
    host.run(
        "sh", "-c", "for n in $(seq 40); do curl -so /dev/null localhost/db; done", check=False
    )
    before, kept = main(host, unit), clients(host, PORTS[1 - number])
    host.run("kill", "-KILL", before)
    assert wait(lambda: main(host, unit) not in ("0", before) and faults.status(host)[0] == 0, 20)
    assert clients(host, PORTS[1 - number]) >= kept
    assert "<h1" in host.page()


def test_both_are_replaced_under_load(host: SystemdHost) -> None:
    before = {main(host, unit) for unit in units(host)}
    done = host.under_load(lambda: host.run("stackctl", "restart", "pgbouncer"))
    assert "took over from" in done.stdout
    after = {main(host, unit) for unit in units(host)}
    assert len(after) == 2
    assert not after & before


def test_postgresql_restarts_while_both_hold_requests_back(host: SystemdHost) -> None:
    host.under_load(lambda: host.run("systemctl", "restart", CLUSTER))


def test_both_are_there_after_a_boot(host: SystemdHost) -> None:
    host.reboot()
    assert wait(lambda: faults.status(host)[0] == 0, 60), faults.status(host)
    assert len(units(host)) == 2
    host.run("stack-manage", "stack_verify")


def test_one_is_enough_again_without_a_lost_request(host: SystemdHost) -> None:
    """Web processes that are bound to the second go on with the first until they are replaced."""
    done = host.under_load(lambda: site(host, 1))
    assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-2000:]}"
    assert len(units(host)) == 1
    host.run("stack-manage", "stack_verify")
