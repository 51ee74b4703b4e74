"""The faults of a cluster's leader, with one database host: nothing takes over."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from apart_hosts import apart_hosts
from cluster_faults import FAULTS, Fault
from cluster_hosts import JOIN_SECONDS, Cluster

pytestmark = [pytest.mark.host, pytest.mark.slow, pytest.mark.timeout(900)]

AFTER_SECONDS = 3
CHOSEN = (
    *("postgres-killed", "host-lost", "cut-off-from-web", "leader-unheard-by-web"),
    *("leader-deaf-to-web", "leader-late", "packets-lost"),
)
SOME = [fault for fault in FAULTS if fault.name in CHOSEN]


class OneDatabase(Cluster):
    """One that leads whatever happens."""

    def wait(self) -> None:
        """Until it is back and pages are served."""
        deadline = time.monotonic() + JOIN_SECONDS
        while self.leading() != ["db1"] or not self._served():
            assert time.monotonic() < deadline, f"no page after {JOIN_SECONDS} s"
            time.sleep(0.2)

    def _served(self) -> bool:
        try:
            return bool(self.web.page("/db"))
        except OSError:
            return False


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OneDatabase]:
    """A database host and two web hosts, of which one has the users."""
    with apart_hosts(tmp_path_factory.mktemp("alone")) as apart:
        apart.web.played("site.yml")
        yield OneDatabase({"db1": apart.database}, apart.web)


def drill(alone: OneDatabase, name: str, happens: Callable[[], object]) -> int:
    """How many requests failed; fails where an acknowledged write was lost."""
    whole: list[float] = []

    def until_whole() -> None:
        happens()
        over = time.monotonic()
        alone.wait()
        whole.append(time.monotonic() - over)

    alone.limit()
    print(f"{name}: ", end="")
    figures = alone.drill(until_whole, AFTER_SECONDS)
    print(f"whole after {whole[0]:.1f} s")
    assert figures.lost == 0, figures
    return figures.failed


def test_a_planned_restart_loses_nothing(alone: OneDatabase) -> None:
    """First, for Ansible would not reach a host that has booted again: its port is another one."""

    def restart() -> None:
        alone.web.played("restart.yml")

    assert drill(alone, "restart.yml", restart) == 0


@pytest.mark.parametrize("fault", SOME, ids=lambda fault: fault.name)
def test_a_fault_loses_no_acknowledged_write(alone: OneDatabase, fault: Fault) -> None:
    def happens() -> None:
        with fault.happens(alone):
            time.sleep(fault.seconds)

    drill(alone, fault.name, happens)


def test_a_reboot_loses_no_acknowledged_write(alone: OneDatabase) -> None:
    drill(alone, "reboot", alone.members["db1"].reboot)
