"""Which aliases of DATABASES go through the pooler."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

POOLED = "default"
DIRECT = "direct"
"""the alias that goes straight to PostgreSQL"""
POOLED_KEY = "POOLED"
"""key of an alias: whether it goes through a transaction pooler; all but `direct` do when it is not
set"""
REFUSED_KEY = "REFUSED"
"""key of an alias: why this process cannot use it"""
REPLICA = "replica"
"""the alias that reads from a standby"""
READ_ONLY_KEY = "READ_ONLY"
"""key of an alias: whether it takes no writes"""
NOTES_WRITES_KEY = "NOTES_WRITES"
"""key of an alias: whether a request that writes on it is known as one (pgstack.db.replica)"""
PINNED_KEY = "PINNED_SECONDS"
"""key of `replica`: for how long a visitor who has written reads from `default`"""
MIRRORS_KEY = "MIRRORS"
"""key of an alias: whether a test runner has it stand for `default`"""
WHERE = ("HOST", "PORT", "USER", "PASSWORD")
"""keys of an alias that say where it leads, and as whom"""


def is_pooled(alias: str, settings: Mapping[str, Any]) -> bool:
    """Whether what a session keeps is lost on `alias`."""
    return bool(settings.get(POOLED_KEY, alias != DIRECT))


def in_test_case(connection: Any) -> bool:
    """Whether the only transaction is the one that a TestCase wraps a test in."""
    return all(block._from_testcase for block in connection.atomic_blocks)  # noqa: SLF001 - Django's own mark
