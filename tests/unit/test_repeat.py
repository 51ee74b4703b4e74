"""What may be sent twice, judged by its text: everything else is not."""

from __future__ import annotations

import pytest

from pgstack.db.repeat import DID_NOT_RUN, first_of_transaction, plain_read

READS = (
    'SELECT "thing"."id", "thing"."name" FROM "thing" WHERE "thing"."id" = %s LIMIT 21',
    'SELECT COUNT(*) AS "__count" FROM "thing"',
    'SELECT 1 AS "a" FROM "thing" WHERE "thing"."id" IN (%s, %s) LIMIT 1',
    (
        'SELECT "a"."id" FROM "a" INNER JOIN "b" ON ("a"."id" = "b"."a_id") WHERE '
        'UPPER("b"."name"::text) = UPPER(%s)'
    ),
    (
        "SELECT COALESCE(SUM(x), 0), DATE_TRUNC('day', at AT TIME ZONE 'UTC') FROM t WHERE "
        "EXISTS(SELECT 1 AS a FROM u)"
    ),
    (
        'SELECT "place"."id", "place"."point"::bytea, ST_Distance("place"."point", %s) AS "away" '
        'FROM "place" WHERE ST_DWithin("place"."point", %s, 1000) ORDER BY "away" ASC LIMIT 3'
    ),
    "SELECT ROW_NUMBER() OVER (PARTITION BY a ORDER BY b) FROM t;",
    "  select 1",
)
WRITES = (
    (
        'INSERT INTO "ledger_transfer" ("key", "amount") VALUES (%s, %s) RETURNING '
        '"ledger_transfer"."id"'
    ),
    (
        "INSERT INTO ledger_transfer (key, amount) VALUES (%s, %s) ON CONFLICT (key) DO NOTHING "
        "RETURNING id"
    ),
    'UPDATE "thing" SET "name" = %s WHERE "thing"."id" = %s',
    'DELETE FROM "thing" WHERE "thing"."id" IN (%s)',
    'SELECT "thing"."id" FROM "thing" WHERE "thing"."id" = %s FOR UPDATE',
    "SELECT id FROM thing FOR NO KEY UPDATE OF thing SKIP LOCKED",
    "SELECT id FROM thing FOR SHARE",
    "SELECT id INTO copy FROM thing",
    'SAVEPOINT "s1_x1"',
    "SET LOCAL lock_timeout = '1s'",
)
NEITHER = (
    "SELECT nextval('thing_id_seq')",
    "SELECT pg_advisory_lock(1)",
    'SELECT "my_function"(1)',
    "SELECT app.charge (1)",
    "SELECT topology.ST_AddIsoNode('town', 1, %s)",
    "SELECT AddGeometryColumn('place', 'point', 4326, 'POINT', 2)",
    "SELECT dblink_exec('INSERT INTO far VALUES (1)')",
    "INSERT INTO a VALUES (1); COMMIT",
    "SELECT 1; INSERT INTO a VALUES (1)",
    "COMMIT",
    "CALL work(1)",
    "DO $$ BEGIN COMMIT; END $$",
    "COPY a FROM STDIN",
    "PREPARE TRANSACTION 'x'",
    "WITH gone AS (DELETE FROM a RETURNING *) SELECT * FROM gone",
    "TRUNCATE a",
    "VACUUM a",
    "NOTIFY jobs",
)


@pytest.mark.parametrize("sql", READS)
def test_a_plain_read_may_be_sent_twice(sql: str) -> None:
    assert plain_read(sql)
    assert first_of_transaction(sql)


@pytest.mark.parametrize("sql", WRITES)
def test_a_write_or_a_lock_may_be_sent_twice_as_the_first_of_a_transaction_only(sql: str) -> None:
    assert not plain_read(sql)
    assert first_of_transaction(sql)


@pytest.mark.parametrize("sql", NEITHER)
def test_what_may_act_outside_of_its_transaction_is_never_sent_twice(sql: str) -> None:
    assert not plain_read(sql)
    assert not first_of_transaction(sql)


@pytest.mark.parametrize(
    ("answer", "proof"),
    [
        (
            (
                "FATAL:  server login has been failing, cached error: connect failed "
                "(server_login_retry)"
            ),
            True,
        ),
        ("FATAL:  the database system is starting up", True),
        ("cached plan must not change result type", True),
        ("server closed the connection unexpectedly", False),
        ("terminating connection due to administrator command", False),
        ("query_wait_timeout", False),
    ],
)
def test_only_some_answers_prove_that_nothing_ran(answer: str, proof: bool) -> None:
    assert (DID_NOT_RUN.search(answer) is not None) is proof
