"""The smallest example of each hazard is found, the fixed one is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit.example_files import ALIAS, FILES, SETTINGS
from audit.examples import BY_SETTINGS_ONLY, DJANGO, PYTHON
from pgstack.audit.files import audit_file
from pgstack.hazards import CATALOGUE

Example = tuple[str, str, str, str]


def examples() -> list[Example]:
    """Hazard, name of the file, its text with the hazard, its text without."""
    code = [
        (key, "code.py", DJANGO + bad, DJANGO + good)
        for key, many in PYTHON.items()
        for bad, good in many
    ]
    settings = [
        (key, "settings.py", ALIAS.format(bad), ALIAS.format(good))
        for key, many in SETTINGS.items()
        for bad, good in many
    ]
    return [*code, *settings, *((key, *example) for key, many in FILES.items() for example in many)]


def hazards(directory: Path, name: str, text: str) -> set[str]:
    path = directory / name
    path.write_text(text)
    findings, accepted, problems = audit_file(path, name)
    assert (accepted, problems) == ([], [])
    return {finding.hazard for finding in findings}


@pytest.mark.parametrize("example", examples(), ids=lambda example: f"{example[0]}-{example[1]}")
def test_a_hazard_is_found_and_its_fix_is_not(example: Example, tmp_path: Path) -> None:
    hazard, name, bad, good = example
    assert hazard in hazards(tmp_path, name, bad)
    assert hazards(tmp_path, name, good) == set()


def test_every_hazard_that_the_catalogue_says_the_audit_detects_has_an_example() -> None:
    detected = {hazard.id for hazard in CATALOGUE.values() if "audit" in hazard.detected_by}
    assert {example[0] for example in examples()} | BY_SETTINGS_ONLY == detected


def test_a_migration_is_harmless_where_there_is_a_direct_alias(tmp_path: Path) -> None:
    path = tmp_path / "migrations" / "0002_lock.py"
    path.parent.mkdir()
    path.write_text(
        "from django.db import migrations\n"
        "class Migration(migrations.Migration):\n"
        "    operations = [\n"
        "        migrations.RunSQL('SET lock_timeout = 5', reverse_sql='RESET lock_timeout'),\n"
        "        migrations.RunSQL(['CREATE INDEX CONCURRENTLY i ON t (a)', ('SET ROLE a', "
        "None)]),\n"
        "        migrations.RunSQL('CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS '\n"
        "            '$$ BEGIN PERFORM pg_advisory_lock(1); END $$'),\n"
        "    ]\n"
    )
    findings, _, _ = audit_file(path, "0002_lock.py")
    assert [(finding.hazard, finding.line, finding.in_migration) for finding in findings] == [
        ("H008", 4, True),
        ("H012", 5, True),
        ("H037", 5, False),
        ("H020", 6, False),
    ]


def test_a_finding_in_a_long_literal_names_the_line_of_its_statement(tmp_path: Path) -> None:
    path = tmp_path / "code.py"
    path.write_text(
        'def f(cursor):\n    cursor.execute("""\n        SELECT 1;\n        LISTEN jobs;\n    '
        '""")\n'
    )
    (finding,) = audit_file(path, "code.py")[0]
    assert (finding.hazard, finding.line, finding.source) == ("H019", 4, "LISTEN jobs;")


def test_strings_that_nobody_runs_are_not_sql(tmp_path: Path) -> None:
    text = (
        '"""LISTEN jobs; SET ROLE a."""\n'
        "import re\n"
        "WORDS = {'LISTEN': 1, 'SET ROLE admin': 2}\n"
        "def f(sql):\n"
        "    'SELECT pg_advisory_lock(1)'\n"
        "    if sql == 'LISTEN jobs' or sql.startswith('SET ROLE a'):\n"
        "        raise ValueError('SET ROLE a')\n"
        "    print('SELECT pg_advisory_lock(1)')\n"
        "    return re.compile('DISCARD ALL')\n"
    )
    assert hazards(tmp_path, "code.py", text) == set()
