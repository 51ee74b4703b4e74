"""The machine: processors, memory, the database's disk, and how much of the time somebody waited
for each (pressure, where the kernel tells it)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import psutil

from pgstack.metrics.model import Sample, counter, gauge
from pgstack.planning.plan import Plan

PRESSURE = Path("/proc/pressure")
RESOURCES = ("cpu", "io", "memory")
SOME = re.compile(r"^some .*total=(\d+)", re.MULTILINE)
CORES = gauge("machine_cores", "Processors.")
BUSY = counter("machine_cpu_seconds", "Processor time used by all processes.")
WAITED = counter(
    "machine_pressure_seconds",
    "Time in which at least one process waited for a resource.",
    "resource",
)
MEMORY = gauge("machine_memory_bytes", "Memory of the machine.")
AVAILABLE = gauge("machine_memory_available_bytes", "Memory still available.")
DISK = gauge("machine_disk_bytes", "Size of the disk that the database is on.")
FREE = gauge("machine_disk_free_bytes", "Free space on the disk that the database is on.")


def collect(plan: Plan) -> Iterator[Sample]:
    """Samples of the machine as it is now. Raises OSError."""
    times, memory = psutil.cpu_times(), psutil.virtual_memory()
    idle = times.idle + getattr(times, "iowait", 0.0)
    guests = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)  # users' time has it
    yield from CORES.of(os.cpu_count())
    yield from BUSY.of(sum(times) - idle - guests)
    for resource in RESOURCES:
        yield from WAITED.of(_waited(resource), resource)
    yield from MEMORY.of(memory.total)
    yield from AVAILABLE.of(memory.available)
    disk = os.statvfs(_there(Path(plan.paths.data)))
    yield from DISK.of(disk.f_blocks * disk.f_frsize)
    yield from FREE.of(disk.f_bavail * disk.f_frsize)


def _waited(resource: str) -> float | None:
    """Seconds since the machine started; None where its kernel does not tell."""
    try:
        match = SOME.search((PRESSURE / resource).read_text())
    except OSError:
        return None
    return int(match[1]) / 1e6 if match else None


def _there(path: Path) -> Path:
    """What of a path this process may enter: a container has the disk and not the directory, and
    on a host the directory is closed."""
    return next(place for place in (path, *path.parents) if os.access(place, os.X_OK))
