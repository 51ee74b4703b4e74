"""How many PgBouncers a web host has, and what each of them has of the pool. One PgBouncer is one
thread."""

from __future__ import annotations

from pgstack.errors import UnsoundPlan
from pgstack.planning.apache import Web
from pgstack.planning.plan import Plan
from pgstack.planning.sizing.basis import Basis, Reasons

POOLER_US, PYTHON_US = 29, 531
"""CPU of a request with one query, in PgBouncer and in a web process: 28 to 31 and 531 to 579 µs
(docs/results.md)"""
LOAD_PERCENT = 60
"""part of its core that a PgBouncer may need with all web processes at work: beyond it what waits
for a single thread grows faster than the load"""
LEAST_POOL = 2
"""backends of each: with one, whoever holds it holds up all of its processes"""
SPLIT = ("default_pool_size", "reserve_pool_size", "max_db_connections")
"""settings whose sum over all PgBouncers is the plan's"""


def needed(processes: int) -> int:
    """PgBouncers for so many web processes, each of which keeps a core busy at most."""
    return -(-processes * POOLER_US * 100 // (PYTHON_US * LOAD_PERCENT))


def count(basis: Basis, web: Web, pool: int) -> tuple[int, Reasons]:
    """PgBouncers that share a pool of this size: what was asked for or is needed, as far as there
    are web processes and backends for each."""
    asked, name = basis.config.poolers, "pooler.further"
    wanted = asked or needed(web.processes)
    if wanted > 1 and not basis.target.several_poolers:
        no = f"{basis.target.name} has one PgBouncer (docs/scale.md)"
        return 1, {name: f"one, where {wanted} are wanted: {no}"}
    most = max(1, min(wanted, web.processes, pool // LEAST_POOL))
    if asked:
        return most, {name: f"STACK_POOLERS={asked}"}
    if wanted == 1:
        return 1, {}
    text = f"{most} PgBouncers: {web.processes} processes x {POOLER_US} us of a pooler"
    return most, {name: f"{text} / ({PYTHON_US} us of Python x {LOAD_PERCENT} %), rounded up"}


def split(total: int, parts: int) -> list[int]:
    """Whole numbers whose sum is `total`, as even as they can be, larger ones first."""
    each, rest = divmod(total, parts)
    return [each + (number < rest) for number in range(parts)]


def shares(numbers: dict[str, int], parts: int) -> list[dict[str, int]]:
    """The numbers of each PgBouncer, from those of all together. What is a limit for one client
    or one query is the same for each, and so is that of clients: any of them may have most."""
    pools = [split(numbers[name], parts) for name in SPLIT[:2]]
    parted = [
        {SPLIT[0]: pool, SPLIT[1]: reserve, SPLIT[2]: pool + reserve}
        for pool, reserve in zip(*pools, strict=True)
    ]
    return [numbers | part for part in parted]


def require(asked: int | None, planned: Plan) -> None:
    """Raise UnsoundPlan where there are fewer PgBouncers than were asked for."""
    there = len(planned.pooler.processes)
    if asked is None or asked == there or "pgbouncer" not in planned.services:
        return
    processes, pool = planned.web.processes, planned.pooler.default_pool_size
    if asked > processes:
        raise UnsoundPlan(
            f"unsound plan: STACK_POOLERS={asked} > {processes} web processes, each of which uses "
            "one PgBouncer. Lower STACK_POOLERS, or raise STACK_PROCESSES."
        )
    raise UnsoundPlan(
        f"unsound plan: STACK_POOLERS={asked} x {LEAST_POOL} backends = {asked * LEAST_POOL} > "
        f"{pool} in the pool. Lower STACK_POOLERS, or raise STACK_POOL_SIZE."
    )
