"""A site with django-tenants on the local target."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from fixtures import tenants
from fixtures.local_stack import started
from fixtures.whole_projects import Local, temporary

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def guests() -> Iterator[Local]:
    with temporary("guests-") as place, started(**tenants.inputs(place)) as running:
        tenants.move_in(Local(running))
        yield Local(running)


def test_no_page_meets_another_tenants_rows(guests: Local) -> None:
    def kill() -> None:
        os.kill(int(guests.stack.pid("pgbouncer")), signal.SIGKILL)

    tenants.no_page_meets_anothers_rows(guests, kill)


def test_pages_write_neither_schemas_nor_what_was_migrated(guests: Local) -> None:
    guests.command("stack_local", "release")
    tenants.pages_write_neither_schemas_nor_what_was_migrated(guests)
