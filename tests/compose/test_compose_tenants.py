"""A site with django-tenants in containers."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from composed import Composed, up

from fixtures import tenants

pytestmark = [pytest.mark.compose, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def guests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Composed]:
    with up("guests", tenants.inputs(tmp_path_factory.mktemp("guests"))) as site:
        tenants.move_in(site)
        yield site


def test_no_page_meets_another_tenants_rows(guests: Composed) -> None:
    def kill() -> None:
        os.kill(guests.stack.inspect("pgbouncer")["State"]["Pid"], signal.SIGKILL)

    tenants.no_page_meets_anothers_rows(guests, kill)


def test_pages_write_neither_schemas_nor_what_was_migrated(guests: Composed) -> None:
    guests.make("release")
    tenants.pages_write_neither_schemas_nor_what_was_migrated(guests)
