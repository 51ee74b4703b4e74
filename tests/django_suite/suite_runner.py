"""Django's test runner, for those tests of its suite that use a database; writes down how each
ended."""

from __future__ import annotations

import json
import os
import unittest
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.test.runner import DiscoverRunner, iter_test_cases, reorder_tests

outcomes: dict[str, str] = {}
"""by test: empty when it passed or was skipped, else the last line of what it raised"""


class Result(unittest.TextTestResult):
    """Remembers the first thing that went wrong in each test."""

    def startTest(self, test: unittest.TestCase) -> None:  # noqa: N802 - unittest's interface
        super().startTest(test)
        outcomes.setdefault(test.id(), "")

    def addError(self, test: unittest.TestCase, err: Any) -> None:  # noqa: N802
        super().addError(test, err)
        _failed(test.id(), err)

    def addFailure(self, test: unittest.TestCase, err: Any) -> None:  # noqa: N802
        super().addFailure(test, err)
        _failed(test.id(), err)

    def addSubTest(self, test: unittest.TestCase, subtest: unittest.TestCase, err: Any) -> None:  # noqa: N802
        super().addSubTest(test, subtest, err)
        if err is not None:
            _failed(test.id(), err)

    def addUnexpectedSuccess(self, test: unittest.TestCase) -> None:  # noqa: N802
        super().addUnexpectedSuccess(test)
        _failed(test.id(), (None, "passed, which Django does not expect", None))


class Runner(DiscoverRunner):
    """Runs what declares databases, and what could not be imported."""

    def build_suite(self, *args: Any, **options: Any) -> unittest.TestSuite:
        suite = super().build_suite(*args, **options)
        return self.test_suite(reorder_tests(_using_databases(suite), self.reorder_by))

    def get_resultclass(self) -> type[unittest.TextTestResult]:
        return Result

    def run_suite(self, suite: unittest.TestSuite, **options: Any) -> Any:
        try:
            return super().run_suite(suite, **options)
        finally:
            Path(os.environ["SUITE_OUTCOMES"]).write_text(json.dumps(outcomes))


def _using_databases(suite: unittest.TestSuite) -> Iterator[Any]:
    for test in iter_test_cases(suite):
        if getattr(test, "databases", None) or type(test).__name__ == "_FailedTest":
            yield test


def _failed(test: str, err: Any) -> None:
    said = str(err[1]).strip().splitlines() or [type(err[1]).__name__]
    name = type(err[1]).__name__ if err[0] else ""
    outcomes[test] = outcomes.get(test) or f"{name}: {said[0][:300]}"
