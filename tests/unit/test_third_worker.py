"""Which modules one worker of pytest runs together."""

from __future__ import annotations

import pytest

from fixtures.third_worker import Scheduling


@pytest.mark.parametrize(
    ("test", "together"),
    [
        ("tests/host/test_https.py::test_a", "tests/host/test_https.py"),
        ("tests/host/hardening/test_uninstall.py::test_a", "tests/host/hardening"),
        ("tests/compose/test_running.py::test_a", "tests/compose"),
        ("tests/compose/test_compose_tls.py::test_a[b/c]", "tests/compose"),
        ("tests/cluster/test_rolling.py::test_a", "tests/cluster"),
    ],
)
def test_modules_that_share_what_they_start_are_run_together(test: str, together: str) -> None:
    scheduling = object.__new__(Scheduling)
    assert scheduling._split_scope(test) == together
