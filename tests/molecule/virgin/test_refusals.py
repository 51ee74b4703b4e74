"""What site.yml refuses: one message with the name, the reason and the remedy, before anything
changes on the host.

More inputs: tests/unit/test_host_inputs.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from systemd_host import SystemdHost, changed

from fixtures.releases import DATA, NEWEST_POSTGRESQL, SETTINGS_OF_CLUSTER
from pgstack.planning.packages import NEWEST, known

pytestmark = pytest.mark.host

SITE = {"address": "*", "port": 80, "hosts": ["shop.example"], "cores": 2, "memory": "1g"}
INPUTS = {
    "misspelt": ({"procesess": 2}, ("procesess", "stack_inputs", "processes")),
    "too-much": (
        {"memory": "64g"},
        ("stack_inputs.memory=64g", "the host has only 2048 MB", "give the host more"),
    ),
    "other-release": (
        {"debian": 12},
        ("stack_inputs.debian is 12", f"runs Debian GNU/Linux {NEWEST}", "leave"),
    ),
}
OTHER_SYSTEM = "> /run/other; mount --bind /run/other /etc/os-release"
# What makes the host one that is refused, how to undo it, and what must be said.
STATES = {
    "ubuntu": (
        f"printf 'ID=ubuntu\\nVERSION_ID=24\\nPRETTY_NAME=Ubuntu-24\\n' {OTHER_SYSTEM}",
        "umount /etc/os-release",
        ("runs Ubuntu-24", f"for Debian {known()}"),
    ),
    "old-debian": (
        f"printf 'ID=debian\\nVERSION_ID=11\\nPRETTY_NAME=Debian-11\\n' {OTHER_SYSTEM}",
        "umount /etc/os-release",
        ("runs Debian-11", f"for Debian {known()}"),
    ),
    "little-disk": (
        "mount -t tmpfs -o size=100m tmpfs /srv",
        "umount /srv",
        ("100 MB are free", "needs 2048 MB", "attach a larger disk"),
    ),
    "port-held": (
        "systemd-run --quiet --unit=other-web python3 -m http.server 80; sleep 1",
        "systemctl stop other-web",
        ("port 80 is held by python3", "other-web.service", "choose another port"),
    ),
    "port-of-a-trial-held": (
        "systemd-run --quiet --unit=other-web python3 -m http.server 8441; sleep 1",
        "systemctl stop other-web",
        ("port 8441 is held by python3", "Stop and disable"),
    ),
    "cluster": (
        f"install -D /dev/null {SETTINGS_OF_CLUSTER}/postgresql.conf",
        "rm -r /etc/postgresql",
        (
            f"PostgreSQL {NEWEST_POSTGRESQL} has a cluster",
            f"pg_renamecluster {NEWEST_POSTGRESQL} main",
            f"touch /var/lib/postgresql/{NEWEST_POSTGRESQL}-main.stack",
        ),
    ),
    "data-alone": (
        f"install -D /dev/null {DATA}/PG_VERSION",
        "rm -r /var/lib/postgresql",
        (
            f"PostgreSQL {NEWEST_POSTGRESQL} has a cluster",
            f"pg_dropcluster {NEWEST_POSTGRESQL} main",
        ),
    ),
    "account": (
        "useradd --comment Somebody deploy",
        "userdel deploy",
        ("accounts deploy exist", "usermod --login"),
    ),
    "no-systemd": (
        "mv /run/systemd/system /run/systemd/system.real",
        "mv /run/systemd/system.real /run/systemd/system",
        ("systemd does not run this host", "systemd-sysv"),
    ),
}


ANOTHER = {"too-much", "other-release", "old-debian", "port-of-a-trial-held", "data-alone"}
"""what is found by the code that finds the one before it"""


def cases(named: Iterable[str]) -> list[Any]:
    """One of a kind first; `make test-slow` tries all."""
    return [pytest.param(name, marks=pytest.mark.slow if name in ANOTHER else []) for name in named]


@contextmanager
def state(host: SystemdHost, make: str, undo: str) -> Iterator[None]:
    """The host in a state that is refused."""
    host.run("sh", "-euc", make)
    try:
        yield
    finally:
        host.run("sh", "-euc", undo)


def require_refusal(host: SystemdHost, words: tuple[str, ...], **variables: Any) -> None:
    """The run ends with one failed task that says `words`, and has changed nothing."""
    since = host.now()
    done = host.play("site.yml", **variables)
    said = " ".join(done.stdout.split())
    assert done.returncode == 2, said
    assert "unreachable=0 failed=1" in said
    for word in words:
        assert word in said
    assert changed(done) == 0
    assert host.changed_since(since) == []


@pytest.mark.parametrize("case", cases(INPUTS))
def test_an_input_that_cannot_be_is_refused(virgin: SystemdHost, case: str) -> None:
    inputs, words = INPUTS[case]
    require_refusal(virgin, words, stack_inputs=SITE | inputs)


@pytest.mark.parametrize("case", cases(STATES))
def test_a_host_that_does_not_fit_is_refused(virgin: SystemdHost, case: str) -> None:
    make, undo, words = STATES[case]
    with state(virgin, make, undo):
        require_refusal(virgin, words)


def test_a_user_who_does_not_become_root_is_refused(virgin: SystemdHost) -> None:
    make = (
        "useradd --create-home somebody && cp -r /root/.ssh /home/somebody/ && chown -R somebody: "
        "/home/somebody"
    )
    with state(virgin, make, "userdel --force --remove somebody"):
        require_refusal(
            virgin,
            ("ansible_user=somebody is not root", "ansible_become"),
            ansible_user="somebody",
            ansible_become=False,
        )
