"""What an upgrade by logical replication asks the old server."""

from __future__ import annotations

import pytest

from fixtures.local_stack import LocalStack
from pgstack.ops import logical

CHANGES = {
    "table": ("CREATE TABLE late (a int PRIMARY KEY)", "DROP TABLE late"),
    "column": ("ALTER TABLE world ADD late int", "ALTER TABLE world DROP late"),
    "index": ("CREATE INDEX late ON world (id)", "DROP INDEX late"),
    "default": (
        "ALTER TABLE world ALTER randomnumber SET DEFAULT 1",
        "ALTER TABLE world ALTER randomnumber DROP DEFAULT",
    ),
    "constraint": (
        "ALTER TABLE world ADD CONSTRAINT late CHECK (id > 0)",
        "ALTER TABLE world DROP CONSTRAINT late",
    ),
    "function": (
        "CREATE FUNCTION late() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "DROP FUNCTION late()",
    ),
    "view": ("CREATE VIEW late AS SELECT 1 AS a", "DROP VIEW late"),
    "right": ("GRANT SELECT ON world TO PUBLIC", "REVOKE SELECT ON world FROM PUBLIC"),
    "role": ("CREATE ROLE late", "DROP ROLE late"),
    "member": ("GRANT pg_monitor TO app", "REVOKE pg_monitor FROM app"),
    "setting": (
        "ALTER ROLE app IN DATABASE app SET jit = on",
        "ALTER ROLE app IN DATABASE app RESET jit",
    ),
    "sequence": (
        "ALTER TABLE django_migrations ALTER id SET INCREMENT BY 50",
        "ALTER TABLE django_migrations ALTER id SET INCREMENT BY 1",
    ),
    "collation": (
        "CREATE COLLATION late (provider = icu, locale = 'de')",
        "DROP COLLATION late",
    ),
    "domain": ("CREATE DOMAIN late AS int", "DROP DOMAIN late"),
    "default right": (
        "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO app_monitor",
        "ALTER DEFAULT PRIVILEGES REVOKE SELECT ON TABLES FROM app_monitor",
    ),
}
NO_CHANGES = {
    "rows": "UPDATE world SET randomnumber = randomnumber WHERE id < 100",
    "a temporary table": "CREATE TEMPORARY TABLE late (a int PRIMARY KEY)",
    "statistics": "ANALYZE",
    "VACUUM": "VACUUM world",
    "another order on the disk": "REINDEX TABLE world",
    "numbers of a sequence": "SELECT nextval(pg_get_serial_sequence('world', 'id'))",
    "a publication": f"{logical.PUBLISH[0]}; {logical.UNPUBLISH}",
}


TRIGGER = """
CREATE FUNCTION fires() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER late AFTER INSERT ON late EXECUTE FUNCTION fires();
ALTER TABLE late ENABLE ALWAYS TRIGGER late"""


UNNAMED = """
CREATE TABLE kept (a int NOT NULL);
CREATE UNIQUE INDEX chosen ON kept (a);
ALTER TABLE kept REPLICA IDENTITY USING INDEX chosen;
CREATE TABLE lost (a int NOT NULL);
CREATE UNIQUE INDEX gone ON lost (a);
ALTER TABLE lost REPLICA IDENTITY USING INDEX gone;
DROP INDEX gone;
CREATE TABLE whole (a int, b json);
ALTER TABLE whole REPLICA IDENTITY FULL;
CREATE TABLE owned (a int PRIMARY KEY);
ALTER TABLE owned ENABLE ROW LEVEL SECURITY;
CREATE TABLE forced (a int PRIMARY KEY);
ALTER TABLE forced ENABLE ROW LEVEL SECURITY;
ALTER TABLE forced FORCE ROW LEVEL SECURITY"""


def ask(stack: LocalStack, statement: str) -> str:
    with stack.psql(statement) as session:
        return session.communicate(timeout=60)[0].strip()


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_the_schema_is_seen(stack: LocalStack, change: str) -> None:
    make, undo = CHANGES[change]
    before = ask(stack, logical.SCHEMA)
    ask(stack, make)
    try:
        assert ask(stack, logical.SCHEMA) != before
    finally:
        ask(stack, undo)


@pytest.mark.parametrize("change", NO_CHANGES)
def test_what_is_no_change_of_the_schema_is_none(stack: LocalStack, change: str) -> None:
    before = ask(stack, logical.SCHEMA)
    for statement in NO_CHANGES[change].split("; "):
        ask(stack, statement)
    assert ask(stack, logical.SCHEMA) == before


def test_what_cannot_be_replicated_is_named_with_its_remedy(stack: LocalStack) -> None:
    assert "playbook site.yml" in ask(stack, logical.AGAINST)
    ask(stack, "CREATE TABLE late (a int); SELECT lo_create(4711); " + TRIGGER)
    try:
        said = ask(stack, logical.AGAINST)
    finally:
        ask(stack, "DROP TABLE late; DROP FUNCTION fires(); SELECT lo_unlink(4711)")
    assert "public.late has no primary key" in said
    assert "ALTER TABLE public.late REPLICA IDENTITY FULL" in said
    assert "1 large objects" in said
    assert "the trigger late of late fires for rows that are replicated too" in said


def test_rows_that_could_not_be_changed_on_the_other_side_are_named(stack: LocalStack) -> None:
    ask(stack, UNNAMED)
    try:
        said = ask(stack, logical.AGAINST)
    finally:
        ask(stack, "DROP TABLE kept, lost, whole, owned, forced")
    assert "public.lost has no primary key, nor another index that names its rows" in said
    assert "public.whole has all columns to name a row, and b cannot be compared" in said
    assert "public.forced has row-level security that is forced on its owner" in said
    assert not {"public.kept", "public.owned"} & {*said.split()}
