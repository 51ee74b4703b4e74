"""What a plan says of a lane: pages with web processes and a pool of their own."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from pgstack.planning.apache import Web
from pgstack.planning.background import Background
from pgstack.planning.part import Part
from pgstack.planning.replicas import Replicas

MAIN = "stack"
"""process group of all other pages"""
PREFIX = "lane-"
"""before the name of a lane where mod_wsgi has its process group"""
PAGES = "web"
"""how connections of all other pages tell theirs (application_name)"""
APPLICATION = "lane "
"""before the name of a lane in that of its connections"""


def covers(prefix: str, path: str) -> bool:
    """Whether `path` is that of `prefix`, or below it, in whole segments as Apache's <Location> has
    it: `/slow` has `/slow` and `/slow/a`, `/reports/` has `/reports/` and `/reports/a`."""
    below = prefix if prefix.endswith("/") else f"{prefix}/"
    return path == prefix or path.startswith(below)


def _pattern(prefix: str) -> str:
    """The same as a regular expression, without the first slash."""
    escaped = prefix[1:].replace(".", r"\.")
    return escaped if prefix.endswith("/") else f"{escaped}(/|$)"


class Lane(Part):
    """Pages by the prefixes of their addresses; `database` at PgBouncer leads to the same one as
    that of all others."""

    name: str
    prefixes: tuple[str, ...]
    processes: int
    threads: int
    memory_per_process: int
    """bytes"""
    database: str
    pool_size: int
    sizes: dict[str, str]
    """of its pool, in words of its line in pgbouncer.ini"""

    @property
    def group(self) -> str:
        """Its process group in mod_wsgi."""
        return f"{PREFIX}{self.name}"

    @property
    def requests(self) -> int:
        """Requests that one web host works on at a time."""
        return self.processes * self.threads

    @property
    def pattern(self) -> str:
        """Regular expression of the paths that are its own, as Apache has them: mod_wsgi leaves one
        of several slashes at the beginning, which `/%2Freports/` has too."""
        return f"^/+({'|'.join(map(_pattern, self.prefixes))})"


def all_requests(web: Web, lanes: Iterable[Lane]) -> int:
    """Requests that one web host works on at a time."""
    return web.requests + sum(lane.requests for lane in lanes)


def backends_beside(
    lanes: Iterable[Lane], background: Background | None, replicas: Replicas | None
) -> int:
    """Backends that one PgBouncer may open beside those of the pages' pool. Those of `replica` may
    all be at the primary: they are there when no standby qualifies."""
    tasks = background.max_db_connections if background else 0
    reads = replicas.pool_size if replicas else 0
    return tasks + reads + sum(lane.pool_size for lane in lanes)


def group_of(lanes: Iterable[Lane], path: str) -> str:
    """The process group that answers at this path, as Django sees it (PATH_INFO)."""
    for lane in lanes:
        if any(covers(prefix, path) for prefix in lane.prefixes):
            return lane.group
    return MAIN


def own_group() -> str:
    """The process group of this process, which mod_wsgi knows before it runs any code; empty in
    every other process."""
    return str(getattr(sys.modules.get("mod_wsgi"), "process_group", "") or "")


def own(lanes: Iterable[Lane]) -> Lane | None:
    """The lane that this process is one of."""
    group = own_group()
    return next((lane for lane in lanes if lane.group == group), None)
