"""The alias `replica` on the local stack, where it leads to the primary and takes no writes."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
import requests

from fixtures import pooler_console
from fixtures.local_stack import LocalStack
from pgstack.middleware import PINNED

READ = {"STACK_REPLICAS": "read"}
COUNT = (
    "from django.db import connections; from demo.models import Fortune;"
    " reads = Fortune.objects.using('replica'); print(reads.count() > 1); {}"
)


@pytest.fixture(scope="module")
def reading(stack: LocalStack) -> Iterator[LocalStack]:
    done = stack.manage("stack_local", "up", **READ)
    assert done.returncode == 0, done.stdout + done.stderr
    yield stack
    assert stack.manage("stack_local", "up").returncode == 0


@pytest.fixture
def visitor(reading: LocalStack) -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


def asked(stack: LocalStack) -> int:
    """Queries that came by way of the alias."""
    rows = pooler_console.ask(stack, "SHOW STATS_TOTALS")
    return sum(int(row["query_count"]) for row in rows if row["database"] == "app_replica")


def test_it_runs_as_planned(reading: LocalStack) -> None:
    done = reading.manage("stack_verify", **READ)
    assert done.returncode == 0, done.stdout
    assert "reads lead to PostgreSQL, the primary" in " ".join(done.stdout.split())


def test_what_is_marked_is_read_there_until_a_visitor_has_written(
    reading: LocalStack, visitor: requests.Session
) -> None:
    before = asked(reading)
    assert visitor.get(f"{reading.url}/fortunes").status_code == 200
    after = asked(reading)
    assert after > before
    order = {"source": 1, "target": 2, "amount": 1}
    key = {"Idempotency-Key": uuid.uuid4().hex}
    written = visitor.post(f"{reading.url}/ledger/transfers", json=order, headers=key)
    assert written.status_code == 201
    assert PINNED in visitor.cookies
    assert visitor.get(f"{reading.url}/fortunes").status_code == 200
    assert asked(reading) == after


@pytest.mark.parametrize(
    ("work", "refusal"),
    [
        ("reads.update(message='no')", "NotSupportedError: `replica` takes no writes"),
        (
            "connections['replica'].cursor().execute('SELECT nextval(%s)', ['ledger_transfer_id_seq'])",
            "cannot execute nextval() in a read-only transaction",
        ),
    ],
)
def test_a_write_is_refused(reading: LocalStack, work: str, refusal: str) -> None:
    done = reading.manage("shell", "--command", COUNT.format(work), **READ)
    assert done.returncode == 1
    assert "True" in done.stdout
    assert refusal in done.stderr
    assert "Write on `default`: docs/replicas.md." in done.stderr


def test_commands_of_django_pass_it_by(reading: LocalStack) -> None:
    for words in (
        ["check"],
        ["makemigrations", "--check"],
        ["migrate"],
        ["dumpdata", "demo.World"],
    ):
        done = reading.manage(*words, **READ)
        assert done.returncode == 0, f"{words}: {done.stderr}"
    done = reading.manage("migrate", "--database=replica", **READ)
    assert done.returncode != 0
    assert "--database=replica: it takes no writes" in done.stderr
