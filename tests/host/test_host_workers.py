"""Workers on a host: an account, a pool and a unit of their own, and changes under load that let
them finish."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import projects
import pytest
from deployed_host import deployed_host
from host_image import CHECKOUT
from systemd_host import INPUTS, SystemdHost
from work import MEDIA, at_work, notes, units

from fixtures import foreign
from fixtures.releases import NEWEST_SUITE
from fixtures.task_notes import keys, require_each_task_once

pytestmark = [pytest.mark.host, pytest.mark.slow, pytest.mark.timeout(1200)]

TASKS = "python task_worker.py"
TWO = f"tick:2={TASKS}"
LANES = "reads=/db:1x4:pool 2"
"""half of the load of the tests here"""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SystemdHost]:
    """A host with two processes of a worker."""
    with deployed_host(NEWEST_SUITE, tmp_path_factory.mktemp("host")) as booted:
        done = deploy(booted, make(tmp_path_factory.mktemp("one"), "one"), playbook="site.yml")
        assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-2000:]}"
        yield booted


def make(directory: Path, version: str) -> Path:
    """The project of other tests, with a program that does tasks."""
    project = projects.make(directory, version)
    shutil.copy(CHECKOUT / "tests/fixtures/task_worker.py", project)
    return project


def deploy(
    host: SystemdHost,
    project: Path,
    workers: str = TWO,
    playbook: str = "deploy.yml",
    lanes: str = LANES,
) -> subprocess.CompletedProcess[str]:
    named: dict[str, Any] = {**projects.inputs(project), "data": ["SHOP_DATA"]}
    inputs = {**INPUTS, **named, "workers": workers, "schedule": SCHEDULE, "lanes": lanes}
    return host.play(playbook, stack_inputs=inputs)


SCHEDULE = "long=monthly 1 00:00 sleep 600"


def test_they_run_as_an_account_of_their_own_on_a_pool_of_their_own(host: SystemdHost) -> None:
    now = at_work(host)
    assert units(host) == ["stack-worker-tick@1.service", "stack-worker-tick@2.service"]
    for name, lines in notes(host).items():
        if name in now:
            words = lines[0].split()
            assert words[1:3] == ["app_background", "5min"]
            assert words[3].endswith("/app_background")
    owners = host.run("sh", "-c", f"stat --format='%U %G %a' {MEDIA}/worker-*").stdout
    assert set(owners.splitlines()) == {"worker sockets 664"}
    by_role = json.loads(host.run("cat", "/etc/stack/plan.json").stdout)["pooler"]["peer_maps"]
    for account, database, code in (
        ("worker", "app_background", 0),
        ("worker", "app", 2),
        ("app", "app_background", 2),
    ):
        words = ("psql", "--host=/run/stack/pooler", "--port=6432", "--command=SELECT 1")
        login = "app" if by_role else account
        who, to = ("runuser", "-u", account, "--"), (f"--dbname={database}", f"--username={login}")
        asked = host.run(*who, *words, *to, check=False)
        assert asked.returncode == code, (account, database, asked.stderr)
    for role, code in (("app_worker", 0), ("app", 2), ("app_owner", 2), ("postgres", 2)):
        words = ("psql", "--host=/run/stack/postgres", "--command=SELECT 1", "--dbname=app")
        asked = host.run("runuser", "-u", "worker", "--", *words, f"--username={role}", check=False)
        assert asked.returncode == code, (role, asked.stderr)
    told = host.run("stackctl", "status").stdout
    assert re.findall(r"worker +(.*)", told) == ["tick@1 runs", "tick@2 runs"]
    verified = host.run("stack-manage", "stack_verify").stdout
    assert " 0 fail, " in verified
    assert "workers run as planned" in verified
    assert "sessions of workers are few" in verified
    assert "workers have their own" in verified
    assert "+ 1 x 4 of reads = " in " ".join(verified.split())
    assert "reads: 4 connections, 2 backends" in " ".join(verified.split())


def test_no_change_loses_a_request_or_a_task(host: SystemdHost, tmp_path: Path) -> None:
    host.under_load(lambda: change_all(host, tmp_path))
    assert host.run("stack-manage", "stack_verify").returncode == 0


def change_all(host: SystemdHost, tmp_path: Path) -> None:
    """A release, one with another worker and without the lane, and back; and what is replaced
    without a release."""
    before = at_work(host)
    done = deploy(host, make(tmp_path / "two", "two"))
    assert done.returncode == 0, done.stdout[-3000:]
    assert host.page(projects.MARK) == "two"
    require_each_task_once(notes(host), before)
    before = at_work(host)
    done = deploy(host, make(tmp_path / "three", "three"), f"tock={TASKS}", "site.yml", "")
    assert done.returncode == 0, done.stdout[-3000:]
    require_each_task_once(notes(host), before)
    before = at_work(host, 1)
    assert units(host) == ["stack-worker-tock@1.service"]
    assert host.run("sh", "-c", "ls /etc/systemd/system").stdout.count("stack-worker-") == 1
    host.run("stackctl", "rollback")
    require_each_task_once(notes(host), before)
    for words in CHANGES:
        before = at_work(host, 1)
        host.run(*words)
        require_each_task_once(notes(host), before)
    old, before = before, at_work(host, 1)
    assert keys(notes(host), before).isdisjoint(keys(notes(host), old))
    upgrade(host)
    while at_work(host, 1) & before:
        time.sleep(1)
    require_each_task_once(notes(host), before)
    before = at_work(host, 1)
    host.run("stackctl", "restart", "pgbouncer")
    host.run("stackctl", "restart", "apache")
    assert at_work(host, 1) == before


CHANGES = (
    ("stackctl", "restart", "workers"),
    ("stackctl", "restart", "postgres"),
    ("sh", "-c", foreign.rotation("host")),
)
"""commands that start workers again; the last one gives the site another secret key"""


def upgrade(host: SystemdHost) -> None:
    """A new package of the program that workers run."""
    program = host.run("readlink", "/usr/bin/python3").stdout.strip()
    install = ("apt-get", "install", "--reinstall", "--yes", f"{program}-minimal")
    host.run("env", "DEBIAN_FRONTEND=noninteractive", *install)


def test_a_release_that_does_not_serve_leaves_them_as_they_are(
    host: SystemdHost, tmp_path: Path
) -> None:
    before, serving = at_work(host, 1), host.releases()
    unit = host.run("systemctl", "cat", *units(host)).stdout
    broken = make(tmp_path / "broken", "broken")
    projects.raise_at_import(broken)
    smaller = f"tock:2x1:100m={TASKS}"
    done = host.under_load(lambda: deploy(host, broken, smaller, "site.yml"))
    assert done.returncode == 2
    assert "no such luck" in done.stdout
    require_each_task_once(notes(host), before)
    at_work(host, 1)
    assert units(host) == ["stack-worker-tock@1.service"]
    assert host.releases() == serving
    host.run("systemctl", "daemon-reload")
    assert host.run("systemctl", "cat", *units(host)).stdout == unit
    host.run("systemctl", "kill", "--signal=KILL", *units(host))
    at_work(host, 1)
    done = deploy(host, make(tmp_path / "five", "five"), playbook="site.yml")
    assert done.returncode == 0, done.stdout[-3000:]


def test_a_command_that_is_not_there_is_refused(host: SystemdHost) -> None:
    before, plan = at_work(host), "/etc/stack/plan.json"
    host.run("sed", "-i.kept", 's/"python",$/"nowhere",/', plan)
    done = host.run("stackctl", "apply", "workers", check=False)
    host.run("mv", f"{plan}.kept", plan)
    assert done.returncode == 2
    assert "stack_inputs.workers: tick: there is no program nowhere in the project" in done.stderr
    assert at_work(host) == before
    assert host.run("stackctl", "apply", "workers").stdout.split() == ["workers", "unchanged"]


def test_one_that_does_not_stay_is_told_and_pages_are_served(host: SystemdHost) -> None:
    at_work(host)
    served = host.page(projects.MARK)
    host.run("touch", f"{MEDIA}/crash")
    done = host.run("stackctl", "restart", "workers", check=False)
    told = host.run("stackctl", "status", check=False)
    verified = host.run("stack-manage", "stack_verify", check=False)
    page = host.page(projects.MARK)
    host.run("rm", f"{MEDIA}/crash")
    assert done.returncode == 2
    assert "tick@1: it ended at once" in done.stderr
    assert "there is a file named crash" in done.stderr
    assert told.returncode == 1
    assert re.search("worker +tick@1 ends, and is started again each time: ", told.stdout)
    assert page == served
    assert verified.returncode == 1
    at_work(host)


def test_one_has_the_memory_that_is_planned_and_no_more(host: SystemdHost) -> None:
    before, served = at_work(host), host.page(projects.MARK)
    plan = json.loads(host.run("cat", "/etc/stack/plan.json").stdout)
    limit = plan["workers"][0]["memory"]
    shown = host.run("systemctl", "show", "--property=MemoryMax", "stack-worker-tick@1.service")
    assert shown.stdout == f"MemoryMax={limit}\n"
    host.run("touch", f"{MEDIA}/greedy")
    deadline = time.monotonic() + 60
    told = ""
    while "likely it took more memory than the 200 MB planned for it" not in told:
        assert time.monotonic() < deadline, told
        told = host.run("stackctl", "status", check=False).stdout
    assert "Give it more: `tick:400m=…` in stack_inputs.workers." in told
    host.run("rm", f"{MEDIA}/greedy")
    while at_work(host) & before:
        assert time.monotonic() < deadline
    assert host.page(projects.MARK) == served
    at_work(host)


def test_a_change_that_is_cut_off_leaves_none_stopped(host: SystemdHost) -> None:
    at_work(host)
    host.run("sh", "-c", "touch /var/lib/stack-media/slow")
    host.run("sh", "-c", "timeout --signal=KILL 2 stackctl restart workers; true")
    assert host.run("cat", "/run/stack/workers-stopped").stdout.split() == [
        "stack-worker-tick@1.service",
        "stack-worker-tick@2.service",
    ]
    host.run("rm", "/var/lib/stack-media/slow")
    deadline = time.monotonic() + 90
    while len(units(host)) != 2:
        assert time.monotonic() < deadline
        time.sleep(1)
    host.run("test", "!", "-e", "/run/stack/workers-stopped")


def test_what_pages_make_in_data_workers_and_commands_may_change(host: SystemdHost) -> None:
    data = f"{MEDIA}/data/SHOP_DATA"
    page = "import os; os.umask(0o002); os.makedirs('{0}/of/page', exist_ok=True); open('{0}/of/page/a', 'w').write('x')"
    host.run("runuser", "-u", "app", "--", "python3", "-c", page.format(data))
    for account in ("worker", "deploy"):
        change = f"echo y >> {data}/of/page/a && mkdir -p {data}/of/page/{account}"
        host.run("runuser", "-u", account, "--", "sh", "-c", change)


def test_they_are_there_after_a_boot_and_gone_with_the_last_one(
    host: SystemdHost, tmp_path: Path
) -> None:
    before = at_work(host)
    host.reboot()
    require_each_task_once(notes(host), before)
    at_work(host)
    done = deploy(host, make(tmp_path / "last", "last"), "", "site.yml")
    assert done.returncode == 0, done.stdout[-3000:]
    assert units(host) == []
    left = ("/etc/systemd/system", "-name", "*stack-worker-*")
    assert host.run("find", *left).stdout == ""


def test_an_uninstalled_host_has_none_and_their_tasks_are_done(
    host: SystemdHost, tmp_path: Path
) -> None:
    done = deploy(host, make(tmp_path / "again", "again"), playbook="site.yml")
    assert done.returncode == 0, done.stdout[-3000:]
    before = at_work(host)
    host.played("uninstall.yml", "-e", "confirm=yes")
    require_each_task_once(notes(host), before)
    assert units(host) == []
    assert host.run("find", "/etc/systemd/system", "-name", "*stack-*").stdout == ""
    assert host.run("getent", "passwd", "worker", check=False).stdout == ""
