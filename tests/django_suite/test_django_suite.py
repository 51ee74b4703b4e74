"""Django's own database tests through PgBouncer: what does not pass is known, with its reason."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from django_suite import suite

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]

DRIVERS = ("psycopg2", "psycopg")
LEAST = 8500
"""tests of Django's that use a database; 5.2 has about 9,000"""
LIMIT_SECONDS = 1800


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, suite.Run]]:
    """Both drivers at the same time: the suite uses one core."""
    if not (suite.LAB / "psycopg").is_dir():
        pytest.skip("psycopg 3 is not in .cache/lab; `make install-dev` installs it")
    place = tmp_path_factory.mktemp("django")
    tests = suite.unpacked(suite.source(), place)
    with ExitStack() as stack:
        yield {
            driver: stack.enter_context(suite.running(tests, driver, place)) for driver in DRIVERS
        }


@pytest.mark.parametrize("driver", DRIVERS)
def test_djangos_own_tests_pass_but_for_those_that_are_listed(
    runs: dict[str, suite.Run], driver: str
) -> None:
    outcomes = runs[driver].outcomes(LIMIT_SECONDS)
    assert len(outcomes) >= LEAST
    listed = known(driver)
    failed = {test: said for test, said in outcomes.items() if said}
    assert {test: said for test, said in failed.items() if test not in listed} == {}, (
        "fails, and is not listed"
    )
    assert sorted(set(listed) - set(failed)) == [], "is listed, and passes"


def known(driver: str) -> dict[str, str]:
    """The reason by test, of those that do not pass with a driver.

    Each paragraph of the file: its reason after `#`, then one test a line, with a driver behind it
    when it is the only one.
    """
    reasons, reason = {}, ""
    for line in Path(__file__).with_name("known.txt").read_text().splitlines():
        if line.startswith("#"):
            reason = line
        elif line:
            test, *only = line.split()
            if only in ([], [driver]):
                reasons[test] = reason
    return reasons
