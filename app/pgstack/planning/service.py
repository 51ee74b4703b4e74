"""What a service is: its files, its units, and how its server is started and stopped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pgstack.planning.background import Entry, Worker
    from pgstack.planning.databases import PoolerProcess
    from pgstack.planning.plan import Plan

MACHINE = "host"
"""the service that a machine of the stack's own is, and the folder of what systemd reads"""


def _nothing(_: Plan) -> frozenset[str]:
    return frozenset()


def _none(_: Plan) -> tuple[str, ...]:
    return ()


@dataclass(frozen=True, eq=False)
class Service:
    """One service."""

    name: str
    files: tuple[str, ...] = ()
    """templates of the folder of its `kind`, which go to a folder of this name below
    `paths.conf`"""
    source: str = ""
    """the template of its one file, where that is another service's too"""
    plain: frozenset[str] = frozenset()
    """those of `files` that are not templates: the same text for every plan"""
    without: Callable[[Plan], frozenset[str]] = _nothing
    """those of `files` and `units` that a plan has no use for"""
    units: Mapping[str, str] = field(default_factory=dict)
    """template of the folder host → where a machine of the stack's own has it"""
    role: str = MACHINE
    """the role that writes `units`"""
    lasting: tuple[str, ...] = ()
    """those of `units` that are about a unit which runs all the time"""
    packages: Callable[[Plan], tuple[str, ...]] = _none
    """Debian's, which a machine of the stack's own needs for it"""
    packages_last: bool = False
    """whether they come after its units: Debian's own are started, with drop-ins"""
    masked: Callable[[Plan], tuple[str, ...]] = _none
    """units of those packages that never start: the stack has its own"""
    optional: bool = False
    """whether an input switches it on, and role server takes it away again"""
    noted: tuple[str, ...] = ()
    """where it keeps on a host what is of no use without it"""
    programs: tuple[str, ...] = ()
    """names of a server's program in the process table, one on each release of Debian"""
    configuration: str = ""
    """that of `files` which its program starts with"""
    command: Callable[[Plan, str], str] | None = None
    """its command line in the foreground, with a file in the place of `configuration`"""
    stop_signal: str = ""
    """that ends it: what goes on may end"""
    stop_seconds: int = 0
    """that it has for this, where that is its own; 0: what the target gives a server"""
    instances: str = ""
    """begins the names of directories below `paths.run` that a host has for those of its instances
    that run, where two take turns"""
    names: tuple[str, ...] = ()
    """of its processes, where the project says how many there are"""
    like: str = ""
    """name of the service that this is one more process of"""
    own: Worker | Entry | PoolerProcess | None = None
    """what its templates see beside the plan, where there is one service for each of many"""

    @property
    def kind(self) -> str:
        """Folder of its templates and of its files, and role that writes them."""
        return self.like or self.name

    def words(self, plan: Plan, configuration: Path | None = None) -> tuple[str, ...]:
        """How its server is started in the foreground, with another configuration where one is
        given; nothing where it has none."""
        path = configuration or Path(plan.paths.conf, self.kind, self.configuration)
        return tuple(self.command(plan, str(path)).split()) if self.command else ()
