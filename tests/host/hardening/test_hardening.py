"""What a host lets in, how it keeps itself up to date, and what accounts may do."""

from __future__ import annotations

import attacks
import pytest
import root_imports
from clients import answers, requests
from systemd_host import SystemdHost, changed

from fixtures.releases import NEWEST_SUITE
from hardening.asked import run, said, wait

pytestmark = [pytest.mark.host, pytest.mark.timeout(900)]


ELSEWHERE = 9999
"""a port of the host that is not the site's"""
REPLACED_SECONDS = 120
"""dpkg ends, the locks stay free for a moment, clients leave PgBouncer at their next request or the
request timeout"""


@pytest.mark.slow
def test_a_dry_run_on_a_running_host_finds_nothing_to_do(host: SystemdHost) -> None:
    assert changed(run(host, "site.yml", "--check", "--diff")) == 0


def test_the_site_is_let_in_and_nothing_else(host: SystemdHost) -> None:
    assert "<h1" in host.page()
    assert "policy drop" in said(host, "nft", "list", "table", "inet", "stack")
    host.run(
        "systemd-run", "--quiet", "--unit=elsewhere", "python3", "-m", "http.server", str(ELSEWHERE)
    )
    itself = (
        f"import urllib.request; urllib.request.urlopen('http://{host.address()}:{ELSEWHERE}/')"
    )
    assert wait(lambda: host.run("python3", "-c", itself, check=False).returncode == 0, 10)
    assert not answers(host.address(), ELSEWHERE)
    host.run("systemctl", "stop", "stack-firewall")
    assert answers(host.address(), ELSEWHERE), "it is the firewall that holds it back"
    host.run("systemctl", "start", "stack-firewall")
    assert not answers(host.address(), ELSEWHERE)
    host.run("systemctl", "stop", "elsewhere")


def test_rules_of_others_survive(host: SystemdHost) -> None:
    host.run("nft", "add", "table", "inet", "others")
    host.run("systemctl", "reload", "stack-firewall")
    assert "table inet others" in said(host, "nft", "list", "tables")
    host.run("systemctl", "restart", "stack-firewall")
    assert said(host, "nft", "list", "tables").splitlines() == [
        "table inet others",
        "table inet stack",
    ]
    host.run("nft", "delete", "table", "inet", "others")


def test_connections_of_the_site_are_not_tracked(host: SystemdHost) -> None:
    count = "/proc/sys/net/netfilter/nf_conntrack_count"
    before = int(said(host, "cat", count))
    for _ in range(50):
        host.page("/healthz")
    assert int(said(host, "cat", count)) < before + 10


def test_security_upgrades_come_by_themselves_and_nothing_else(host: SystemdHost) -> None:
    lines = said(host, "unattended-upgrade", "--dry-run", "--verbose").splitlines()
    allowed = [line for line in lines if line.startswith("Allowed origins are:")]
    assert allowed == [
        f"Allowed origins are: origin=Debian,codename={NEWEST_SUITE}-security,label=Debian-Security"
    ]
    assert (
        said(host, "systemctl", "is-active", "apt-daily.timer", "apt-daily-upgrade.timer")
        == "active\nactive"
    )


def test_logs_are_bounded_and_the_clock_is_kept(host: SystemdHost) -> None:
    assert "SystemMaxUse=500M" in said(
        host, "systemd-analyze", "cat-config", "systemd/journald.conf"
    )
    assert "OnCalendar=hourly" in said(host, "systemctl", "cat", "logrotate.timer")
    assert host.run("logrotate", "--debug", "/etc/logrotate.d/stack").returncode == 0
    assert (
        said(host, "systemctl", "is-enabled", "systemd-timesyncd", "logrotate.timer")
        == "enabled\nenabled"
    )


def test_an_upgrade_replaces_the_processes_without_losing_a_request(host: SystemdHost) -> None:
    packages = ("apache2-bin", "libapache2-mod-wsgi-py3", "pgbouncer")
    before = processes(host)
    assert len(before) == 2
    with requests(host) as wrong:
        host.run(
            "env",
            "DEBIAN_FRONTEND=noninteractive",
            "apt-get",
            "install",
            "--reinstall",
            "--yes",
            *packages,
        )
        assert wait(
            lambda: len(processes(host)) == 2 and not before & processes(host), REPLACED_SECONDS
        )
        assert wait(
            lambda: unit_state(host, "stack-upgraded.service") == "inactive", REPLACED_SECONDS
        )
    assert wrong == []
    assert host.failed() == ""


def processes(host: SystemdHost) -> set[str]:
    """Numbers of the main processes of Apache and PgBouncer."""
    units = [
        f"stack-{server}@{instance}.service"
        for server in ("apache", "pgbouncer")
        for instance in "ab"
    ]
    return set(said(host, "systemctl", "show", "--property=MainPID", "--value", *units).split()) - {
        "0"
    }


def unit_state(host: SystemdHost, unit: str) -> str:
    return said(host, "systemctl", "show", "--property=ActiveState", "--value", unit)


READERS = {
    "app": True,
    "deploy": True,
    **dict.fromkeys(("apache", "build", "pooler", "postgres", "nobody"), False),
}


@pytest.mark.parametrize("account", READERS)
def test_the_secret_key_is_for_those_who_sign_with_it(host: SystemdHost, account: str) -> None:
    assert (
        attacks.as_account(host, account, f"cat {attacks.SECRETS}/django_secret_key")
        == READERS[account]
    )


def test_the_account_that_deploys_does_not_become_root(host: SystemdHost) -> None:
    attacks.plant_environment(host)
    host.run("stack-manage", "check", check=False)
    assert attacks.owned(host) == []
    # Whose controlling terminal is root's may type into it.
    session = "import os; print(os.getuid() > 0, os.getsid(0) == os.getpid())"
    assert said(host, "stack-manage", "shell", "-c", session).endswith("True True")


def test_an_environment_is_read_and_not_run(host: SystemdHost) -> None:
    """Neither by root nor by whoever asks, whatever is in it."""
    file = "/etc/stack/environment"
    host.run(
        "sh",
        "-c",
        f"cp -p {file} /run/kept; echo 'A=\"$(touch {attacks.OWNED}-reader)\"' >> {file}",
    )
    try:
        for words in (("stack-manage",), ("runuser", "-u", "deploy", "--", "stack-manage")):
            assert "no issues" in said(host, *words, "check")
    finally:
        host.run("mv", "/run/kept", file)
    assert attacks.owned(host) == []


def test_the_account_of_django_has_root_make_no_file(host: SystemdHost) -> None:
    attacks.plant_mark(host)
    host.run("stackctl", "restart", "apache")
    host.run("stackctl", "pause")
    host.run("stackctl", "resume")
    assert attacks.owned(host) == []
    assert "<h1" in host.page()


def test_roots_stackctl_imports_what_root_alone_may_write(host: SystemdHost) -> None:
    lines = root_imports.imported(host).splitlines()
    assert len(lines) == 1, lines
    assert int(lines[0].split()[0]) > 100, "psycopg2, psutil and pydantic among them"
    for name in ("deploy", "build", "app"):
        assert root_imports.writable(host, name) == ""
        root_imports.lay_traps(host, name, attacks.OWNED)
        assert "instance" in root_imports.walk_into_traps(host, "stackctl", "status")
        root_imports.walk_into_traps(host, "stack-manage", "check")
        assert attacks.owned(host) == []
        host.run("rm", "-r", root_imports.TRAPS)


@pytest.mark.slow
def test_a_package_index_that_does_not_answer_leaves_stackctl_as_it_is(host: SystemdHost) -> None:
    (mark,) = said(host, "sh", "-c", "ls /usr/local/lib/stack/venv-*/complete").split()
    host.run("rm", mark)  # as if the requirements were others
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "0"}
    done = host.play("site.yml", app_environment=nowhere)
    assert done.returncode == 2
    assert "stackctl was not installed, and what was there is unchanged" in done.stdout
    assert "instance" in said(host, "stackctl", "status")
    host.run("touch", mark)
