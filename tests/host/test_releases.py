"""Servers replaced on a Debian 13 host under load lose no request, and what does not work never
serves.

Releases and settings that do work: tests/molecule.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path

import attacks
import changes
import projects
import pytest
import requests
from deployed_host import deployed_host
from host_image import CHECKOUT
from systemd_host import INPUTS, TRUSTED, SystemdHost

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
    inputs = {**INPUTS, **projects.inputs(project), "schedule": projects.SCHEDULE}
    return host.play(playbook, stack_inputs=inputs)


@pytest.mark.parametrize("name", changes.CASES)
def test_no_request_is_lost(host: SystemdHost, name: str) -> None:
    done = host.under_load(lambda: host.run(*changes.COMMANDS[name], check=False))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", projects.BROKEN_CASES)
def test_release_that_does_not_work_never_serves(
    host: SystemdHost, tmp_path: Path, name: str
) -> None:
    spoil, words = projects.BROKEN[name]
    project = projects.make(tmp_path / "project", "broken")
    spoil(project)
    before, serving = host.releases(), host.page(projects.MARK)
    done = host.under_load(lambda: deploy(host, project))
    assert done.returncode == 2
    assert words in done.stdout
    assert (host.releases(), host.page(projects.MARK)) == (before, serving)


AT_ONCE_SECONDS = 10
"""a third of the longest request, for which it is waited otherwise"""


@pytest.mark.parametrize("server", changes.TYPOS)
def test_settings_with_a_typo_are_refused_and_nothing_changes(
    host: SystemdHost, server: str
) -> None:
    name, right, wrong, words = changes.TYPOS[server]
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


def test_a_pooler_that_no_request_uses_is_left_at_once(host: SystemdHost) -> None:
    for _ in range(20):
        assert host.page("/readyz")  # threads of the web are connected now, and stay so
    told = host.run("stackctl", "restart", "pgbouncer").stdout
    (seconds,) = re.findall(r"took over from [ab] in (\S+) s", told)
    assert float(seconds) < AT_ONCE_SECONDS
    assert host.page("/readyz")


def test_login_rule_that_nobody_understands_is_refused_with_its_line(host: SystemdHost) -> None:
    path = "/etc/stack/postgres/pg_hba.conf"
    host.run("sh", "-c", f"cp {path} /tmp/kept && echo 'local all all pear' >> {path}")
    done = host.run("stackctl", "apply", "postgres", check=False)
    host.run("cp", "/tmp/kept", path)
    assert done.returncode == 2
    assert "pg_hba.conf line 7" in done.stderr
    assert host.run("stackctl", "apply", "postgres").stdout.split() == ["postgres", "unchanged"]
    assert host.run("stackctl", "verify").returncode == 0
    assert host.page(projects.MARK)


def test_what_is_scheduled_runs_on_the_pool_of_workers(host: SystemdHost) -> None:
    assert (
        "schedule   who has not run since the host started; next "
        in host.run("stackctl", "status").stdout
    )
    host.run("systemctl", "start", "stack-schedule-who.service")
    assert "app_background 5min worker /srv/stack/live/project" in journal(host, "who")
    told = host.run("stackctl", "status").stdout
    assert re.search(r"schedule   who ended with 0 after \d+ s, .* UTC; next .* UTC\n", told)


def journal(host: SystemdHost, name: str) -> str:
    unit = f"stack-schedule-{name}.service"
    return host.run("journalctl", "--unit", unit, "--output=cat", "--no-pager").stdout


def test_a_time_that_was_missed_is_made_up_for_once(host: SystemdHost) -> None:
    stamp = "/var/lib/systemd/timers/stamp-stack-schedule-good.timer"
    timer = "stack-schedule-good.timer"
    host.run("systemctl", "stop", timer)
    host.run("touch", "--date=100 days ago", stamp)
    host.run("systemctl", "start", timer)
    host.run("timeout", "30", "sh", "-c", DONE.format(name="good"))
    assert journal(host, "good").count("Finished ") == 1


DONE = "until journalctl --unit stack-schedule-{name} --output=cat | grep -q Finished; do sleep 0.2; done"


def test_one_that_fails_or_takes_too_long_is_told(host: SystemdHost) -> None:
    for name in ("bad", "slow", "large"):
        done = host.run("systemctl", "start", f"stack-schedule-{name}.service", check=False)
        assert done.returncode == 1
    done = host.run("stackctl", "status", check=False)
    host.run("systemctl", "reset-failed", "stack-schedule-*")
    assert done.returncode == 1
    assert re.search(r"schedule   bad ended with 3 after \d+ s, ", done.stdout)
    assert "; see journalctl -u stack-schedule-bad.service\n" in done.stdout
    assert "slow was ended after its limit of 2 s (slow:2h=… changes it), " in done.stdout
    assert (
        "large was killed, likely for more than its 50 MB (large:300MB=… changes it), "
        in done.stdout
    )


def test_a_scheduled_command_that_is_not_there_is_refused(host: SystemdHost) -> None:
    plan = "/etc/stack/plan.json"
    host.run("sed", "-i.kept", 's/"check"/"nope"/', plan)
    done = host.run("stackctl", "apply", "schedule", check=False)
    host.run("mv", f"{plan}.kept", plan)
    assert done.returncode == 2
    assert "stack_inputs.schedule: good: the project has no management command nope." in done.stderr
    assert host.run("stackctl", "apply", "schedule").stdout.split() == ["schedule", "unchanged"]


def environment(host: SystemdHost, release: str) -> str:
    return host.run("readlink", f"/srv/stack/{release}/venv").stdout.strip()


@pytest.mark.slow
def test_releases_that_require_the_same_share_an_environment(
    host: SystemdHost, tmp_path: Path
) -> None:
    before, began = environment(host, "current"), host.now()
    assert deploy(host, projects.make(tmp_path / "two", "two")).returncode == 0
    assert host.page(projects.MARK) == "two"
    assert (environment(host, "current"), environment(host, "previous")) == (before, before)
    assert [path for path in host.changed_since(began) if path.startswith(before)] == []
    write = f"touch {before}/bin/planted"
    assert not attacks.inside_django(host, write)
    for account in ("app", "worker", "deploy", "build"):
        assert not attacks.as_account(host, account, write)
    host.run("stackctl", "rollback")
    assert host.page(projects.MARK) == "one"


@pytest.mark.slow
def test_an_environment_whose_build_was_cut_off_is_made_anew(host: SystemdHost) -> None:
    """Killed with its stackctl, and found by the next release that requires the same."""
    host.run("cp", "-a", "/srv/stack/current/.", "/srv/stack/releases/trial")
    how = f"echo 'PIP_CERT=\"{TRUSTED}\"' | "
    build = "stackctl build trial --environment=trial"
    host.run("sh", "-c", f"{how} timeout --signal=KILL 2 {build}", check=False)
    cut_off = environment(host, "releases/trial")
    assert host.run("ls", "-A", cut_off).stdout == ""
    host.run("touch", f"{cut_off}/planted")
    done = host.run("sh", "-c", how + build)
    assert done.stdout.endswith(f", with a new environment {Path(cut_off).name}\n")
    assert host.run("ls", cut_off).stdout.split() == VENV
    building = host.run("systemctl", "list-units", "--plain", "--no-legend", "stack-venv@*")
    assert building.stdout == ""
    host.run("rm", "-r", "/srv/stack/releases/trial")


VENV = ["bin", "complete", "include", "lib", "lib64", "pyvenv.cfg"]


@pytest.fixture(scope="module")
def foreign_site(host: SystemdHost, tmp_path_factory: pytest.TempPathFactory) -> SystemdHost:
    """The host with a project that knows nothing of the stack."""
    project = foreign.make(tmp_path_factory.mktemp("foreign") / "shop", "DATABASE_URL or nothing")
    named = {"source": str(project), "environment": {"SHOP_GREETING": GREETING}}
    host.played("site.yml", stack_inputs={**INPUTS, "project": named})
    return host


@pytest.mark.slow
def test_a_project_that_knows_nothing_of_the_stack_is_deployed(foreign_site: SystemdHost) -> None:
    url, site = foreign_site.url, {"Host": foreign_site.name}
    answer = requests.post(f"{url}/note", params={"text": "one"}, headers=site, timeout=10).json()
    assert answer["notes"] == ["of the migration", "one"]
    shown = answer["engine"], answer["debug"], answer["greeting"]
    assert shown == ("pgstack.db", False, GREETING)
    # Nothing is scheduled any more, and nothing of it is left.
    left = ("/etc/systemd/system", "/var/lib/systemd/timers", "-name", "*stack-schedule-*")
    assert foreign_site.run("find", *left).stdout == ""
    assert "schedule" not in foreign_site.run("systemctl", "list-units", "--all").stdout
    address = requests.post(f"{url}/upload", headers=site, timeout=10).text
    assert requests.get(f"{url}{address}", headers=site, timeout=10).text == "<b>hello</b>"
    style = requests.get(f"{url}/static/admin/css/base.css", headers=site, timeout=10)
    assert style.status_code == 200


@pytest.mark.slow
def test_its_staff_sees_how_the_stack_fares_and_nobody_else(foreign_site: SystemdHost) -> None:
    def status(*, staff: bool) -> int:
        who = f'username="{"chief" if staff else "visitor"}", is_staff={staff}'
        code = foreign.LOG_IN.replace('username="visitor"', who)
        session = foreign_site.run("stack-manage", "shell", "--verbosity=0", "-c", code).stdout
        headers = {"Host": foreign_site.name, "Cookie": f"sessionid={session.strip()}"}
        answer = requests.get(f"{foreign_site.url}/stack/", headers=headers, timeout=10)
        assert ("Stack status" in answer.text) is staff
        return answer.status_code

    assert (status(staff=False), status(staff=True)) == (403, 200)


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
