"""Every way to reach the database that was ever recommended, by name, in the order of the
report."""

from __future__ import annotations

from loadtest.lab.server import Strategy
from loadtest.lab.strategies import direct, mysql, poolers, pools

STRATEGIES: dict[str, Strategy] = {
    strategy.name: strategy
    for module in (direct, pools, poolers, mysql)
    for strategy in module.STRATEGIES
}
REFERENCE = "pgbouncer-transaction"
"""what this project is built on; the ratios say how many times as fast it is"""
QUICK = ("reconnect-tcp", "reconnect-socket", "patched-signal", "psycopg-pool", REFERENCE)
"""what `make loadtest` compares when nothing is said"""
