"""A host's Debian gives way to the next one with PostgreSQL as it was, and PostgreSQL follows."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from host_database import sql
from older_postgresql import DATA, NEW, NEW_INPUTS, OLD, OLD_INPUTS, OLDER, facts, version
from systemd_host import SystemdHost, changed, systemd_host

from fixtures.releases import NEWEST_SUITE

pytestmark = [pytest.mark.host, pytest.mark.slow, pytest.mark.timeout(3000)]
LOCALE = """
apt-get install -qqy --no-install-recommends locales
echo 'sv_SE.UTF-8 UTF-8' >> /etc/locale.gen
locale-gen"""
SORTED = """
SELECT pg_import_system_collations('pg_catalog');
CREATE TABLE town (name text COLLATE "sv_SE.utf8" PRIMARY KEY);
INSERT INTO town SELECT chr(192 + n % 60) || n FROM generate_series(1, 5000) AS n;"""
NEXT_DEBIAN = f"""
export DEBIAN_FRONTEND=noninteractive
cd /etc/apt
sed -i 's/{OLDER.suite}/{NEWEST_SUITE}/g' sources.list $(find sources.list.d -type f) 2> /dev/null || true
apt-get update -qq
apt-get -qqy -o Dpkg::Options::=--force-confold upgrade --without-new-pkgs
apt-get -qqy -o Dpkg::Options::=--force-confold full-upgrade"""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SystemdHost]:
    """A host of the older Debian that serves."""
    with systemd_host(OLDER.suite, tmp_path_factory.mktemp("debian")) as booted:
        booted.run("sh", "-ec", LOCALE)
        require(booted, "site.yml", OLD_INPUTS)
        words = ["runuser", "-u", "postgres", "--", "psql", "--host=/run/stack/postgres", "-qAt"]
        booted.run(*words, "--set=ON_ERROR_STOP=1", f"--command={DATA}{SORTED}", "app")
        yield booted


def require(
    host: SystemdHost, playbook: str, inputs: dict[str, Any]
) -> subprocess.CompletedProcess[str]:
    return host.played(playbook, stack_inputs=inputs)


def test_debian_comes_first_and_postgresql_follows(host: SystemdHost) -> None:
    before = facts(host), sql(host, "SELECT count(*) FROM town")
    done = host.run("sh", "-ec", NEXT_DEBIAN, check=False)
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    host.reboot()
    assert NEWEST_SUITE in host.run("cat", "/etc/os-release").stdout
    refused = host.play("site.yml", stack_inputs=OLD_INPUTS)
    assert refused.returncode == 2
    assert "town_pkey is in the order of another version of" in " ".join(refused.stdout.split())
    assert host.page("/db")
    sql(host, "REINDEX INDEX CONCURRENTLY town_pkey")
    sql(host, 'ALTER COLLATION "sv_SE.utf8" REFRESH VERSION')
    require(host, "site.yml", OLD_INPUTS)
    assert changed(require(host, "site.yml", OLD_INPUTS)) == 0
    assert version(host) == OLD
    assert (facts(host), sql(host, "SELECT count(*) FROM town")) == before
    back = host.run("stackctl", "rollback", check=False)
    assert (back.returncode, "built for another version" in back.stderr) == (2, True), back

    host.under_load(lambda: require(host, "upgrade.yml", NEW_INPUTS))
    assert version(host) == NEW
    assert (facts(host), sql(host, "SELECT count(*) FROM town")) == before
    assert host.run("stackctl", "verify", check=False).returncode == 0
