"""A site with django-tenants on the local target: under load, with fewer backends than threads, no
page meets another tenant's rows."""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from fixtures.local_stack import CHECKOUT, LocalStack, started

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(600)]

HOUSES = ("red", "blue", "green")
REQUESTS = 600


@pytest.fixture(scope="module")
def guests() -> Iterator[LocalStack]:
    with tempfile.TemporaryDirectory(prefix="guests-", dir="/tmp") as name:
        project = Path(shutil.copytree(CHECKOUT / "tests/sites/guests", Path(name, "guests")))
        for path in [Path(name), project, *project.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)
        inputs = {"STACK_PROJECT": str(project), "STACK_HOSTS": "localhost,127.0.0.1,.example.org"}
        with started(**inputs, STACK_POOL_SIZE="2") as running:
            for house in HOUSES:
                words = ("--schema_name", house, "--name", house, "--noinput")
                domain = ("--domain-domain", f"{house}.example.org", "--domain-is_primary", "True")
                done = running.manage("stack_owner", "create_tenant", *words, *domain)
                assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
            yield running


def test_no_page_meets_another_tenants_rows(guests: LocalStack) -> None:
    """Nor does one of theirs get lost, though PgBouncer is killed meanwhile."""

    def ask(number: int) -> tuple[str, str]:
        house = HOUSES[number % 3]
        if number == REQUESTS // 2:
            os.kill(int(guests.pid("pgbouncer")), signal.SIGKILL)
        answer = requests.get(
            f"{guests.url}/note",
            params={"text": house},
            headers={"Host": f"{house}.example.org"},
            timeout=20,
        )
        if answer.status_code >= 500:  # a write whose connection broke: it is not sent twice
            return house, "failed"
        return house, "right" if answer.json() == {"house": house, "texts": [house]} else "wrong"

    with ThreadPoolExecutor(8) as threads:
        found = Counter(told for _, told in threads.map(ask, range(REQUESTS)))
    assert found["wrong"] == 0
    assert found["failed"] <= 8
    rows = {house: guests.sql(f"SELECT DISTINCT text FROM {house}.notes_note") for house in HOUSES}
    assert rows == {house: house for house in HOUSES}


def test_pages_write_neither_schemas_nor_what_was_migrated(guests: LocalStack) -> None:
    done = guests.manage("stack_local", "release")  # which migrates all tenants
    assert done.returncode == 0, done.stderr
    for place in ("public", *HOUSES):
        assert guests.sql(f"SELECT has_schema_privilege('app', '{place}', 'CREATE')") == "f"
        asked = f"SELECT has_table_privilege('app', '{place}.django_migrations', 'INSERT')"
        assert guests.sql(asked) == "f"
    found = json.loads(guests.manage("stack_verify", "--json").stdout)
    assert [one["check"] for one in found if one["holds"] is False] == []
