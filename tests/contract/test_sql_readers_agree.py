"""The guard's reader of SQL and the audit's parser say the same of the same statements."""

from __future__ import annotations

import pytest

from pgstack.audit import parser
from pgstack.hazards.statements import residue_of
from unit.test_hazardous_statements import BOUND, HARMLESS, SHOWN

MORE = [
    "SELECT * FROM account WHERE name = 'LISTEN a'",
    'SELECT "a".pg_advisory_lock FROM a',
    "WITH x AS (SELECT pg_advisory_lock(1)) SELECT * FROM x",
    "INSERT INTO a SELECT pg_try_advisory_lock_shared(1, 2)",
    "CREATE TABLE a AS SELECT pg_advisory_lock(1)",
    "CREATE VIEW a AS SELECT pg_advisory_lock(1)",
    "CREATE MATERIALIZED VIEW a AS SELECT setseed(1)",
    "ALTER TABLE a ALTER b SET DEFAULT currval('s')",
    "CREATE TABLE a (b int DEFAULT currval('s'))",
    "COMMENT ON FUNCTION pg_advisory_lock(bigint) IS 'x'",
    "ALTER ROLE app SET search_path = a",
    "ALTER DATABASE app SET statement_timeout = 0",
    "CREATE TEMP VIEW v AS SELECT 1",
    "CREATE OR REPLACE TEMPORARY VIEW v AS SELECT 1",
    "CREATE TEMP SEQUENCE s",
    "CREATE TEMP TABLE t (a int) ON COMMIT DROP",
    "CREATE TABLE temp (temporary_id int)",
    "SELECT temp FROM temp",
    "WITH a AS (SELECT 1 AS b) SELECT b INTO TEMP c FROM a",
    "REINDEX TABLE CONCURRENTLY a",
    "DROP INDEX CONCURRENTLY IF EXISTS a",
    "REFRESH MATERIALIZED VIEW CONCURRENTLY a",
    "EXPLAIN ANALYZE SELECT pg_advisory_lock(1)",
    "COPY (SELECT lastval()) TO STDOUT",
    "DECLARE c SCROLL CURSOR WITHOUT HOLD FOR SELECT 1",
    "DECLARE c CURSOR WITH HOLD FOR SELECT lastval()",
    "BEGIN; SET LOCAL lock_timeout = 0; COMMIT",
    "SET search_path = a; SET LOCAL lock_timeout = 0",
    "SET SESSION SESSION AUTHORIZATION a",
    "SET LOCAL SESSION AUTHORIZATION a",
    "SET SESSION TIME ZONE LOCAL",
    "SET client_encoding TO 'UTF8'",
    "SET DateStyle = 'ISO'",
    "SET SEED TO 0.5",
    "SET transaction_read_only = on",
    "RESET ROLE",
    "RESET SESSION AUTHORIZATION",
    "SET SESSION AUTHORIZATION DEFAULT",
    "SET statement_timeout = DEFAULT",
    "DISCARD TEMP",
    "DEALLOCATE p",
    "PREPARE p (int) AS UPDATE a SET b = $1",
    "SELECT dblink_connect('x', 'host=y')",
    "SELECT * FROM dblink('host=y', 'SELECT pg_advisory_lock(1)') AS t (a int)",
    "SELECT set_config('app.tenant', current_setting('x'), 'false')",
    "SELECT set_config('role', 'reporting', false)",
    "SELECT set_config('app.tenant', '1', b) FROM a",
    "SELECT my.set_config('a')",
    "UPDATE a SET b = set_config('app.tenant', '7', true)",
    (
        "DO LANGUAGE plpgsql $x$ DECLARE a int; BEGIN LOOP SET search_path = b; EXIT; END LOOP; END "
        "$x$"
    ),
    "DO $$ BEGIN PERFORM set_config('app.tenant', '7', true); END $$",
    "DO $$ BEGIN CREATE TEMP TABLE t (a int); EXECUTE 'SELECT pg_advisory_lock(1)'; END $$",
    (
        "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_lock(1); "
        "END $$"
    ),
    "LOCK TABLE a IN EXCLUSIVE MODE",
    "VACUUM a",
    "NOTIFY a, 'LISTEN b'",
    "SELECT 1 AS listen",
    "VALUES (lastval())",
]
PLACEHOLDERS = ("%s", "$a$", "not closed")


def corpus() -> list[str]:
    """What the parser can read of them: it knows no placeholders of Python, and nothing that is not
    closed."""
    every = [*HARMLESS, *SHOWN, *BOUND, *MORE]
    return [sql for sql in every if not any(placeholder in sql for placeholder in PLACEHOLDERS)]


def test_the_corpus_is_large() -> None:
    assert len(corpus()) == len(set(corpus())) >= 100


@pytest.mark.parametrize("in_transaction", [False, True])
@pytest.mark.parametrize("sql", corpus())
def test_both_readers_agree(sql: str, in_transaction: bool) -> None:
    parsed = {shown.hazard for shown in parser.residue(sql, in_transaction=in_transaction)}
    assert set(residue_of(sql, in_transaction=in_transaction)) == parsed
