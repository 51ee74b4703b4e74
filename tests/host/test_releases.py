"""Servers replaced on a Debian 13 host under load lose no request, and what does not work never
serves.

Releases and settings that do work: tests/molecule.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path

import projects
import pytest
import requests
from deployed_host import deployed_host
from systemd_host import CHECKOUT, INPUTS, SystemdHost

from fixtures import foreign
from fixtures.odd_values import GREETING
from fixtures.releases import NEWEST_SUITE

pytestmark = [pytest.mark.host, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SystemdHost]:
    """A host that serves version one."""
    with deployed_host(NEWEST_SUITE, tmp_path_factory.mktemp("host")) as booted:
        done = deploy(booted, projects.make(tmp_path_factory.mktemp("one"), "one"), "site.yml")
        assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-2000:]}"
        yield booted


def deploy(
    host: SystemdHost, project: Path, playbook: str = "deploy.yml"
) -> subprocess.CompletedProcess[str]:
    return host.play(playbook, stack_inputs={**INPUTS, **projects.inputs(project)})


CHANGES = {
    "apache reload": ("stackctl", "restart", "apache"),
    "pgbouncer restart": ("stackctl", "restart", "pgbouncer"),
    "pgbouncer package": ("apt-get", "install", "--yes", "--reinstall", "pgbouncer"),
    "postgresql restart": ("systemctl", "restart", "postgresql@17-main"),
    "two in a row": (
        "sh",
        "-c",
        "systemctl restart postgresql@17-main; systemctl restart postgresql@17-main",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_no_request_is_lost(host: SystemdHost, name: str) -> None:
    done = host.under_load(lambda: host.run(*CHANGES[name], check=False))
    assert done.returncode == 0, done.stderr


BROKEN = {
    "raises at import": (projects.raise_at_import, "no such luck"),
    "answers with errors": (projects.answer_with_errors, "500"),
    "fails to migrate": (projects.fail_to_migrate, "no_such_table"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_release_that_does_not_work_never_serves(
    host: SystemdHost, tmp_path: Path, name: str
) -> None:
    spoil, words = BROKEN[name]
    project = projects.make(tmp_path / "project", "broken")
    spoil(project)
    before, serving = host.releases(), host.page(projects.MARK)
    done = host.under_load(lambda: deploy(host, project))
    assert done.returncode == 2
    assert words in done.stdout
    assert (host.releases(), host.page(projects.MARK)) == (before, serving)


TYPOS = {
    "pgbouncer": (
        "pgbouncer/pgbouncer.ini",
        "pool_mode = transaction",
        "pool_mod = transaction",
        "pool_mod",
    ),
    "postgres": ("postgres/pgstack.conf", "wal_compression", "wal_compresion", "wal_compresion"),
    "apache": ("apache/mpm.conf", "KeepAlive On", "KeepAlife On", "line {}"),
}


@pytest.mark.parametrize("server", TYPOS)
def test_settings_with_a_typo_are_refused_and_nothing_changes(
    host: SystemdHost, server: str
) -> None:
    name, right, wrong, words = TYPOS[server]
    path = f"/etc/stack/{name}"
    line = host.run("grep", "--line-number", right, path).stdout.partition(":")[0]
    host.run("sed", "-i", f"s/{right}/{wrong}/", path)
    try:
        done = host.run("stackctl", "apply", server, check=False)
        assert done.returncode == 2, done.stdout
        assert words.format(line) in done.stderr
        assert host.page(projects.MARK)
    finally:
        host.run("sed", "-i", f"s/{wrong}/{right}/", path)
    host.run("stackctl", "apply", server)


def test_login_rule_that_nobody_understands_is_refused_with_its_line(host: SystemdHost) -> None:
    path = "/etc/stack/postgres/pg_hba.conf"
    host.run("sh", "-c", f"cp {path} /tmp/kept && echo 'local all all pear' >> {path}")
    done = host.run("stackctl", "apply", "postgres", check=False)
    host.run("cp", "/tmp/kept", path)
    assert done.returncode == 2
    assert "pg_hba.conf line 5" in done.stderr
    assert host.run("stackctl", "apply", "postgres").stdout.split() == ["postgres", "unchanged"]
    assert host.play("verify.yml").returncode == 0
    assert host.page(projects.MARK)


@pytest.fixture(scope="module")
def foreign_site(host: SystemdHost, tmp_path_factory: pytest.TempPathFactory) -> SystemdHost:
    """The host with a project that knows nothing of the stack."""
    project = foreign.make(tmp_path_factory.mktemp("foreign") / "shop", "DATABASE_URL or nothing")
    named = {"source": str(project), "environment": {"SHOP_GREETING": GREETING}}
    done = host.play("site.yml", stack_inputs={**INPUTS, "project": named})
    assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-2000:]}"
    return host


def test_a_project_that_knows_nothing_of_the_stack_is_deployed(foreign_site: SystemdHost) -> None:
    url, site = foreign_site.url, {"Host": foreign_site.name}
    answer = requests.post(f"{url}/note", params={"text": "one"}, headers=site, timeout=10).json()
    assert answer["notes"] == ["of the migration", "one"]
    assert (answer["engine"], answer["debug"], answer["greeting"]) == (
        "pgstack.db",
        False,
        GREETING,
    )
    address = requests.post(f"{url}/upload", headers=site, timeout=10).text
    assert requests.get(f"{url}{address}", headers=site, timeout=10).text == "<b>hello</b>"
    assert (
        requests.get(f"{url}/static/admin/css/base.css", headers=site, timeout=10).status_code
        == 200
    )


@pytest.mark.slow
def test_a_new_secret_key_logs_nobody_out(foreign_site: SystemdHost) -> None:
    """Nor whom an instance answers that is about to end, on a connection that it has kept, after the next one did."""
    file = "/etc/stack-secrets/django_secret_key"
    told = foreign_site.run("stack-manage", "shell", "--verbosity=0", "-c", foreign.LOG_IN).stdout
    old = foreign_site.run("cat", file).stdout.split()
    with ThreadPoolExecutor(1) as threads, requests.Session() as kept:
        kept.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        began, session = time.monotonic(), told.strip()
        rotation = threads.submit(foreign_site.run, "sh", "-c", foreign.rotation("host"))
        sessions = {session}
        while not rotation.done():
            for client in (requests, kept):
                headers = {"Host": foreign_site.name, "Cookie": f"sessionid={session}"}
                answer = client.get(foreign_site.url, headers=headers, timeout=10)
                assert answer.text == "in", f"logged out after {time.monotonic() - began:.1f} s"
                session = answer.cookies.get("sessionid", session)
                sessions.add(session)
            time.sleep(0.1)
    print(
        f"took {time.monotonic() - began:.1f} s, {len(sessions)} sessions: {rotation.result().stdout}"
    )
    new, *before = foreign_site.run("cat", file).stdout.split()
    assert (len(new), before) == (96, old)
    assert foreign_site.run("stat", "--format=%U %G %a", file).stdout == "root secrets 440\n"
    assert len(sessions) > 1, "one of the new key took the old one's place"


@pytest.mark.slow
def test_a_geodjango_site_is_deployed_with_its_extensions(
    host: SystemdHost, tmp_path: Path
) -> None:
    project = shutil.copytree(CHECKOUT / "tests/sites/atlas", tmp_path / "atlas")
    named = {"source": str(project), "packages": ["gettext"]}
    extensions = ["postgis", "hstore", "pg_trgm", "pgvector"]
    done = host.play(
        "site.yml", stack_inputs={**INPUTS, "extensions": extensions, "project": named}
    )
    assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-2000:]}"
    site, dresden = {"Host": host.name}, {"lon": "13.74", "lat": "51.05"}
    near = requests.get(f"{host.url}/near", params=dresden, headers=site, timeout=20).json()
    assert near == {"Leipzig": 101, "Praha": 117, "Berlin": 165}
    engine = requests.get(f"{host.url}/backend", headers=site, timeout=20).json()["engine"]
    assert engine == "pgstack.db.postgis"
    assert host.play("verify.yml").returncode == 0
    assert host.run("msgfmt", "--version").stdout.startswith("msgfmt")
