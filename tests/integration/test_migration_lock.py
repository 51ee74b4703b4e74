"""Two migrations of one database wait for each other."""

from __future__ import annotations

from fixtures.local_stack import LocalStack
from pgstack.management.commands.migrate import LOCK

HELD = (
    f"SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = {LOCK & 0xFFFFFFFF} "
    f"AND granted"
)


def test_a_migration_beside_another_one_gives_up_with_a_reason(stack: LocalStack) -> None:
    session = stack.psql(f"SELECT pg_advisory_lock({LOCK}), pg_sleep(20)")
    stack.wait_until(lambda: stack.sql(HELD) == "1")
    done = stack.manage("migrate")
    session.terminate()
    session.communicate(timeout=10)
    assert done.returncode == 2
    assert "Cannot migrate: something holds a lock that it needs" in done.stderr


def test_a_migration_leaves_no_lock(stack: LocalStack) -> None:
    stack.wait_until(lambda: stack.sql(HELD) == "0", seconds=30)
    done = stack.manage("migrate")
    assert done.returncode == 0, done.stderr
    assert stack.sql(HELD) == "0"


def test_a_migration_has_the_pooler_replace_its_backends(stack: LocalStack) -> None:
    def backends() -> set[str]:
        return set(stack.sql("SELECT pid FROM pg_stat_activity WHERE usename = 'app'").split())

    assert stack.answers()
    before = backends()
    assert stack.manage("migrate").returncode == 0
    assert stack.answers()
    assert backends() & before, "nothing was applied"
    stack.sql("DELETE FROM django_migrations WHERE app = 'demo'")
    done = stack.manage("migrate", "--fake")
    assert done.returncode == 0, done.stderr
    assert "keeps its backends" not in done.stdout
    stack.wait_until(lambda: stack.answers() and not backends() & before)
