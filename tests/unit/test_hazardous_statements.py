"""What the guard is told about the text of a statement."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgstack.hazards import CATALOGUE
from pgstack.hazards.statements import residue_of

HARMLESS = [
    "",
    "SELECT 1",
    'SELECT "set_config" FROM account',
    "SELECT 'it''s pg_advisory_lock(1)'",
    r"SELECT E'\' pg_advisory_lock(1)'",
    "SELECT $t$ SELECT pg_advisory_lock(1) $t$",
    "/* LISTEN a /* SET ROLE b */ SET ROLE b */ SELECT 1",
    "-- SET search_path = a\nSELECT 1",
    "UPDATE account SET search_path = %s",
    "SELECT pg_advisory_xact_lock(1)",
    "SET application_name = 'x'",
    "SET NAMES 'utf8'",
    "RESET search_path",
    "SET search_path TO DEFAULT",
    "SET ROLE NONE",
    "GRANT EXECUTE ON FUNCTION pg_advisory_lock(bigint) TO app",
    "CREATE FUNCTION f() RETURNS void LANGUAGE sql SET search_path = a AS 'SELECT 1'",
    "DECLARE c CURSOR FOR SELECT 1",
    "PREPARE TRANSACTION 'a'",
    "SELECT set_config(%s, %s, %s)",
    "NOTIFY jobs",
    "UNLISTEN *",
    "SELECT $a$ not closed",
    "SELECT 'not closed",
    "/* not closed",
]
SHOWN = {
    "DECLARE c CURSOR WITH HOLD FOR SELECT 1": "H006",
    "set search_path to a, public": "H007",
    "SET SCHEMA 'a'": "H007",
    "SELECT set_config('search_path', %s, false)": "H007",
    "SET SESSION statement_timeout = 0": "H008",
    "SET /* why */ lock_timeout TO '1s';": "H008",
    "SELECT pg_catalog.set_config('app.tenant', f(1, '2'), 'f')": "H009",
    "SELECT set_config(%s, %s, false)": "H009",
    "SET app.tenant = '7'": "H009",
    "  \n\tSET ROLE reporting": "H012",
    "SET SESSION ROLE reporting": "H012",
    "SET SESSION AUTHORIZATION reporting": "H013",
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY": "H014",
    "SET default_transaction_read_only = on": "H014",
    "SET TIME ZONE 'Europe/Berlin'": "H017",
    "SELECT set_config('TimeZone', %s, false)": "H017",
    "LISTEN jobs": "H019",
    "SELECT 1; LISTEN jobs": "H019",
    "SELECT pg_try_advisory_lock(1)": "H020",
    "SELECT PG_ADVISORY_UNLOCK (1)": "H020",
    "DO $$ BEGIN IF true THEN PERFORM pg_advisory_lock(1); END IF; END $$": "H020",
    "DO 'BEGIN EXECUTE format(''SET ROLE %I'', current_user); END'": "H012",
    "CREATE TEMP TABLE t (id int)": "H021",
    "CREATE LOCAL TEMPORARY TABLE t ON COMMIT DELETE ROWS AS SELECT 1": "H021",
    "SELECT id INTO TEMP t FROM account": "H021",
    "CREATE TABLE pg_temp.t (id int)": "H021",
    "PREPARE p AS SELECT 1": "H022",
    "EXECUTE p(1)": "H022",
    "DEALLOCATE ALL": "H022",
    "SELECT setseed(0.5)": "H026",
    "LOAD 'auto_explain'": "H026",
    "CREATE UNIQUE INDEX CONCURRENTLY i ON account (id)": "H037",
    "DISCARD ALL": "H046",
    "RESET ALL": "H046",
}
"""hazards inside a transaction and outside of one"""
BOUND = {
    "SET LOCAL statement_timeout = 0": "H010",
    "SET LOCAL ROLE reporting": "H010",
    "SET TRANSACTION READ ONLY": "H010",
    "SELECT set_config('app.tenant', '7', true)": "H010",
    "CREATE TEMP TABLE t ON COMMIT DROP AS SELECT 1": "H021",
    "SELECT currval('s')": "H025",
    "INSERT INTO account (parent) VALUES (lastval())": "H025",
    "SET CONSTRAINTS ALL DEFERRED": "H027",
}
"""hazards outside a transaction only"""


@pytest.mark.parametrize("sql", HARMLESS)
def test_a_harmless_statement_shows_nothing(sql: str) -> None:
    assert residue_of(sql) == ()


@pytest.mark.parametrize("sql", SHOWN)
def test_a_statement_shows_its_hazard_also_inside_a_transaction(sql: str) -> None:
    assert residue_of(sql) == (SHOWN[sql],)
    assert residue_of(sql, in_transaction=True) == (SHOWN[sql],)


@pytest.mark.parametrize("sql", BOUND)
def test_what_a_transaction_makes_harmless_is_shown_outside_of_one_only(sql: str) -> None:
    assert residue_of(sql) == (BOUND[sql],)
    assert residue_of(sql, in_transaction=True) == ()


def test_several_statements_are_a_transaction_of_their_own() -> None:
    assert residue_of("SET LOCAL app.tenant = '7'; SELECT 1") == ()
    assert residue_of("SET LOCAL app.tenant = '7';") == ("H010",)


def test_every_hazard_of_a_text_is_named_once_and_in_order() -> None:
    sql = "LISTEN a; SELECT pg_advisory_lock(1), pg_advisory_lock(2); SET ROLE b"
    assert residue_of(sql) == ("H012", "H019", "H020")


def test_a_statement_longer_than_what_is_remembered_is_read_as_well() -> None:
    assert residue_of("SELECT pg_advisory_lock(1), '" + "x" * 10_000 + "'") == ("H020",)


WORDS = [
    "create",
    "temp",
    "temporary",
    "table",
    "view",
    "pg_temp",
    "set",
    "session",
    "local",
    "role",
    "transaction",
    "constraints",
    "time",
    "zone",
    "names",
    "schema",
    "authorization",
    "characteristics",
    "to",
    "=",
    "(",
    ")",
    ",",
    ";",
    "'",
    '"',
    "$$",
    "$a$",
    "--",
    "/*",
    "*/",
    "do",
    "begin",
    "then",
    "declare",
    "execute",
    "with",
    "hold",
    "prepare",
    "set_config",
    "pg_advisory_lock",
    "currval",
    "true",
    "false",
    "null",
    "%s",
    "1",
    "select",
    "into",
    "on",
    "commit",
    "drop",
    "reset",
    "all",
]


@given(st.one_of(st.text(), st.lists(st.sampled_from(WORDS)).map(" ".join)), st.booleans())
def test_any_text_is_read_without_an_error(text: str, in_transaction: bool) -> None:
    hazards = residue_of(text, in_transaction=in_transaction)
    assert set(hazards) <= set(CATALOGUE)
    assert list(hazards) == sorted(hazards)


def test_the_catalogue_is_complete_and_in_order() -> None:
    assert list(CATALOGUE) == [f"H{number:03d}" for number in range(1, 50)]
    for hazard in CATALOGUE.values():
        assert (hazard.check is not None) == ("check" in hazard.detected_by), hazard.id
        assert hazard.check is None or re.fullmatch(r"stack\.[EW]0\d\d", hazard.check), hazard.id


def test_what_the_guard_asks_needs_the_standard_library_only() -> None:
    source = Path(sys.modules["pgstack.hazards.statements"].__file__ or "").read_text()
    roots = set(re.findall(r"^(?:from|import) (\w+)", source, re.MULTILINE))
    assert roots - {"pgstack", "__future__"} <= sys.stdlib_module_names


def test_the_guard_is_told_of_the_hazards_that_the_catalogue_says_it_detects() -> None:
    shown = {*SHOWN.values(), *BOUND.values()}
    # The backend itself opens the cursors of iterators: their hazard is in no text.
    assert shown | {"H001"} == {
        hazard.id for hazard in CATALOGUE.values() if "guard" in hazard.detected_by
    }
