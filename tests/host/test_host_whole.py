"""Three projects of other people, unchanged, with all that they run, set up on an empty host and
released under load: a queue with a broker, a queue in PostgreSQL, maps."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from docker_engine import docker
from systemd_host import INPUTS, TRUSTED, SystemdHost, systemd_host

from fixtures import mail_sink, whole_projects
from fixtures.releases import NEWEST_SUITE
from fixtures.whole_projects import (
    PRETALX,
    PRETALX_ENVIRONMENT,
    UMAP,
    UMAP_ENVIRONMENT,
    WAGTAIL,
    copied,
)
from pgstack import environment_file

pytestmark = [pytest.mark.host, pytest.mark.slow, pytest.mark.timeout(1800)]

NAME = "127.0.0.1"
"""of the site, by which it is asked through a port of this machine"""
SMTP = "2525"
PACKAGE_SOURCES = {"PIP_CERT": TRUSTED, "NODE_EXTRA_CA_CERTS": TRUSTED}
ROOM = ("--memory=4g", "--memory-swap=4g")
LISTED = {"STACK_DATA": ",", "STACK_EXTENSIONS": ",", "STACK_SCHEDULE": ";", "STACK_WORKERS": ";"}
"""inputs that are lists in an inventory, and what is between their parts"""


@dataclass(frozen=True)
class OnHost:
    """One of them on a host."""

    host: SystemdHost
    inputs: Mapping[str, Any]

    @property
    def url(self) -> str:
        return self.host.url

    def command(self, *words: str, **environment: str) -> str:
        given = [f"{name}={value}" for name, value in environment.items()]
        return self.host.run("env", *given, "stack-manage", *words).stdout

    def asked(self, statement: str) -> str:
        ask = ("runuser", "-u", "postgres", "--", "psql", "-XqAt", "-d", "app", "-c", statement)
        return self.host.run(*ask).stdout.strip()

    def play(self, playbook: str) -> subprocess.CompletedProcess[str]:
        return self.host.played(playbook, stack_inputs=self.inputs, app_environment=PACKAGE_SOURCES)

    def released(self, page: str) -> None:
        # Unchanged, it would be the release that serves.
        Path(self.inputs["project"]["source"], "changed").touch()
        self.host.under_load(lambda: self.play("deploy.yml"), page=page, name=NAME)
        self.command("stack_verify")


def inventory(inputs: Mapping[str, str]) -> dict[str, Any]:
    """What an inventory says, of a project whose inputs are those of the other targets."""
    variables = Path(inputs["STACK_ENVIRONMENT"]).read_text()
    project: dict[str, Any] = {
        "source": inputs["STACK_PROJECT"],
        "environment": environment_file.parse(variables),
        "packages": [name for name in inputs.get("STACK_PACKAGES", "").split(",") if name],
        "build": [line.split() for line in inputs.get("STACK_BUILD", "").split("&&") if line],
    }
    named = ("STACK_SETTINGS", "STACK_WSGI", "STACK_MEMORY", "STACK_VALKEY", *LISTED)
    given: dict[str, Any] = {
        name.removeprefix("STACK_").lower(): inputs[name] for name in named if name in inputs
    }
    for name, between in LISTED.items():
        key = name.removeprefix("STACK_").lower()
        if key in given:
            given[key] = [part.strip() for part in given[key].split(between)]
    return {**INPUTS, "hosts": [NAME], **given, "project": project}


@contextmanager
def up(inputs: Mapping[str, str], directory: Path) -> Iterator[OnHost]:
    """A host that was empty, as site.yml leaves it."""
    (own := directory / "host").mkdir()
    with systemd_host(NEWEST_SUITE, own, *ROOM) as host:
        site = OnHost(host, inventory(inputs))
        site.play("site.yml")
        yield site


def test_pretalx_sends_each_mail_once_over_a_release(tmp_path: Path) -> None:
    variables = PRETALX_ENVIRONMENT.format(name=NAME, mails="127.0.0.1", port=SMTP)
    with up(copied(tmp_path, "pretalx", variables) | PRETALX, tmp_path) as site:
        docker("cp", mail_sink.__file__, f"{site.host.container}:/opt/mail_sink.py")
        log = "--property=StandardOutput=file:/run/mails"
        words = ("python3", "-u", "/opt/mail_sink.py", SMTP)
        site.host.run("systemd-run", "--unit=mails", log, *words)

        def recipients() -> list[str]:
            return site.host.run("cat", "/run/mails").stdout.splitlines()

        whole_projects.pretalx_mails_once(site, recipients)


def test_wagtail_runs_each_task_once_over_a_release(tmp_path: Path) -> None:
    with up(whole_projects.wagtail_start(tmp_path) | WAGTAIL, tmp_path) as site:
        whole_projects.wagtail_tasks_once(site)


def test_umap_keeps_a_map_over_a_release(tmp_path: Path) -> None:
    with up(copied(tmp_path, "umap", UMAP_ENVIRONMENT) | UMAP, tmp_path) as site:
        whole_projects.umap_keeps_a_map(site)
