"""Django settings of each way to reach PostgreSQL; `pgbouncer` is the project's own settings."""

from __future__ import annotations

from collections.abc import Mapping

from pgstack.errors import InputError

SETTINGS = {
    "reconnect": "loadtest.strategies.reconnect",
    "persistent": "loadtest.strategies.persistent",
    "pgbouncer": "config.settings",
}
REFERENCE = "pgbouncer"  # the ratios say how many times as fast this one is


def chosen(environment: Mapping[str, str]) -> list[str]:
    """The names in STRATEGIES, in the order given; empty when it is unset. Raises InputError for a bad name."""
    names = [name.strip() for name in environment.get("STRATEGIES", "").split(",") if name.strip()]
    for name in names:
        if name not in SETTINGS or names.count(name) > 1:
            reason = "named twice" if name in SETTINGS else "no such strategy"
            raise InputError(f"STRATEGIES: {name}: {reason}. There are {', '.join(SETTINGS)}.")
    return names
