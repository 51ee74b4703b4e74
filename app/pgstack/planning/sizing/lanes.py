"""Lanes: pages with web processes and a pool of their own."""

from __future__ import annotations

from pgstack.planning.apache import Web
from pgstack.planning.lane_input import LaneInput
from pgstack.planning.lanes import Lane
from pgstack.planning.sizing import pooler
from pgstack.planning.sizing.basis import Basis, Reasons
from pgstack.planning.sizing.scale import MB
from pgstack.planning.sizing.web import process_bytes

DATABASE = "app_lane_"
"""begins the names of their databases at PgBouncer"""


def lanes(basis: Basis, web: Web) -> tuple[tuple[Lane, ...], Reasons]:
    """The lanes that were asked for. Their processes are beside one per core of all other pages:
    they mostly wait for the database."""
    planned = tuple(_lane(asked, basis) for asked in basis.config.lanes)
    if not planned:
        return (), {}
    threads = [f"{web.requests} of all other pages", *map(_because, planned)]
    memory = [
        f"{lane.processes} x {lane.memory_per_process // MB} MB for {lane.name}" for lane in planned
    ]
    return planned, {"requests": " + ".join(threads), "memory.lanes": " + ".join(memory)}


def _lane(asked: LaneInput, basis: Basis) -> Lane:
    pool = asked.pool or min(asked.processes * asked.threads, pooler.pool_size(basis))
    sizes = {"pool_size": pool, pooler.reserve_word(basis): 0, "max_db_connections": pool}
    return Lane(
        name=asked.name,
        prefixes=asked.prefixes,
        processes=asked.processes,
        threads=asked.threads,
        memory_per_process=process_bytes(basis, asked.threads),
        database=f"{DATABASE}{asked.name}",
        pool_size=pool,
        sizes={name: str(size) for name, size in sizes.items()},
    )


def _because(lane: Lane) -> str:
    return (
        f"{lane.processes} x {lane.threads} of lane {lane.name} ({', '.join(lane.prefixes)}; a "
        f"pool of {lane.pool_size})"
    )


def lanes_bytes(planned: tuple[Lane, ...]) -> int:
    """Bytes of their processes on one web host."""
    return sum(lane.processes * lane.memory_per_process for lane in planned)
