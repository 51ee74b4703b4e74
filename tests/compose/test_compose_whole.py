"""Three projects of other people, unchanged, with all that they run, released under load in
containers: a queue with a broker, a queue in PostgreSQL, maps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from compose_stack import ComposeStack
from composed import up

from fixtures import mail_sink, whole_projects
from fixtures.whole_projects import (
    PRETALX,
    PRETALX_ENVIRONMENT,
    UMAP,
    UMAP_ENVIRONMENT,
    WAGTAIL,
    copied,
)

pytestmark = [pytest.mark.compose, pytest.mark.slow, pytest.mark.timeout(1800)]

MAILS, SMTP = "mails", "2525"
"""name and port of the mail server in the network of the stack"""


@contextmanager
def mails_to(stack: ComposeStack) -> Iterator[str]:
    """A mail server that the project's containers reach by its name; its container."""
    network = (f"--network={stack.project}_default", f"--network-alias={MAILS}")
    program = f"--volume={mail_sink.__file__}:/mail_sink.py:ro"
    image = f"{stack.project}-base"
    words = ("python3", "/mail_sink.py", SMTP, "0.0.0.0")
    run = ("docker", "run", "--detach", *network, program, image, *words)
    container = stack.run(*run).stdout.strip()
    try:
        yield container
    finally:
        stack.run("docker", "rm", "--force", container)


def test_pretalx_sends_each_mail_once_over_a_release(tmp_path: Path) -> None:
    variables = PRETALX_ENVIRONMENT.format(name="127.0.0.1", mails=MAILS, port=SMTP)
    with (
        up("pretalx", copied(tmp_path, "pretalx", variables) | PRETALX) as site,
        mails_to(site.stack) as container,
    ):

        def recipients() -> list[str]:
            return site.stack.run("docker", "logs", container).stdout.splitlines()

        whole_projects.pretalx_mails_once(site, recipients)


def test_wagtail_runs_each_task_once_over_a_release(tmp_path: Path) -> None:
    with up("wagtail", whole_projects.wagtail_start(tmp_path) | WAGTAIL) as site:
        whole_projects.wagtail_tasks_once(site)


def test_umap_keeps_a_map_over_a_release(tmp_path: Path) -> None:
    with up("umap", copied(tmp_path, "umap", UMAP_ENVIRONMENT) | UMAP) as site:
        whole_projects.umap_keeps_a_map(site)
