"""Three projects of other people, unchanged, with all that they run, released under load on the
local target: a queue with a broker, a queue in PostgreSQL, maps."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures import mail_sink, whole_projects
from fixtures.local_stack import started
from fixtures.whole_projects import (
    PRETALX,
    PRETALX_ENVIRONMENT,
    UMAP,
    UMAP_ENVIRONMENT,
    WAGTAIL,
    Local,
    copied,
    temporary,
)
from pgstack.ports import free_port

pytestmark = [pytest.mark.slow, pytest.mark.integration, pytest.mark.timeout(1800)]


@pytest.fixture
def place() -> Iterator[Path]:
    with temporary("whole-") as directory:
        yield directory


def test_pretalx_sends_each_mail_once_over_a_release(place: Path) -> None:
    port, mails = free_port(), place / "mails"
    variables = PRETALX_ENVIRONMENT.format(name="127.0.0.1", mails="127.0.0.1", port=port)
    sink = [sys.executable, mail_sink.__file__, str(port)]
    with mails.open("w") as output, subprocess.Popen(sink, stdout=output) as running:
        try:
            with started(**copied(place, "pretalx", variables), **PRETALX) as stack:
                whole_projects.pretalx_mails_once(
                    Local(stack), lambda: mails.read_text().splitlines()
                )
        finally:
            running.terminate()


def test_wagtail_runs_each_task_once_over_a_release(place: Path) -> None:
    with started(**whole_projects.wagtail_start(place), **WAGTAIL) as stack:
        whole_projects.wagtail_tasks_once(Local(stack))


def test_umap_keeps_a_map_over_a_release(place: Path) -> None:
    with started(**copied(place, "umap", UMAP_ENVIRONMENT), **UMAP) as stack:
        whole_projects.umap_keeps_a_map(Local(stack))
