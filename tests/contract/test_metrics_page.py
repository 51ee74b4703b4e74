"""docs/observability.md has every metric that the exporter declares.

After a change of them: GOLDEN=write pytest tests/contract/test_metrics_page.py.
"""

from __future__ import annotations

import os

from tools import metrics_table


def test_the_page_is_what_the_exporter_declares() -> None:
    expected = metrics_table.written()
    if os.environ.get("GOLDEN") == "write":
        metrics_table.PAGE.write_text(expected)
    assert metrics_table.PAGE.read_text() == expected
