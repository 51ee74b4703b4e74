"""Cores, memory, open files, threads and Debian release that the stack may use: pure reads, None
means unknown.

As a program it needs the standard library only and prints what it found as JSON: Ansible asks a
host with it that has nothing of the stack yet. Services run there in control
groups of their own: what bounds the session that asks does not bound them.
"""

from __future__ import annotations

import json
import os
import re
import resource
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pgstack.planning.config import StackConfig
    from pgstack.planning.grants import Grants

# cgroup v1 writes "no limit" as the largest page-aligned 63-bit number; anything near it is no
# limit.
V1_UNLIMITED_BYTES = 1 << 62


@dataclass(frozen=True)
class Hardware:
    """What the stack may use. None means unknown, never a guess."""

    cores: int | None
    memory: int | None
    """bytes"""
    debian: int | None = None
    open_files: int | None = None
    """hard limit of file descriptors per process"""
    max_threads: int | None = None
    """threads that there may be at a time, those of whatever else is under the same limit too"""
    ssh_ports: tuple[int, ...] = ()
    """ports at which administrators come in; known of hosts that Ansible asked"""
    database: Grants | None = None
    """what an external PostgreSQL grants, where it was asked"""


def detect(config: StackConfig, root: Path = Path("/")) -> Hardware:
    """What this machine has, and what the inputs say of it."""
    return chosen(config, measure(root))


def chosen(config: StackConfig, machine: Hardware) -> Hardware:
    """`machine` with the inputs that say otherwise."""
    return Hardware(
        cores=config.cores or machine.cores,
        memory=config.memory or machine.memory,
        debian=config.debian or machine.debian,
        open_files=machine.open_files,
        max_threads=machine.max_threads,
        ssh_ports=machine.ssh_ports,
        database=machine.database,
    )


def measure(root: Path = Path("/"), *, for_services: bool = False) -> Hardware:
    """cgroup v2, else cgroup v1, else affinity and /proc below `root`.

    `for_services`: the threads are those of services that the system starts, not of this session.
    """
    own = () if for_services else (_own_threads(root), _account_threads())
    return Hardware(
        cores=_smallest(_cgroup_cores(root), _affinity()),
        memory=_smallest(_cgroup_memory(root), _proc_memory(root)),
        debian=_debian(root),
        open_files=_open_files(),
        max_threads=_smallest(_machine_threads(root), *own),
    )


def _smallest(*values: int | None) -> int | None:
    return min((value for value in values if value is not None), default=None)


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None


def _groups(root: Path, controller: str) -> list[Path]:
    """Directories of this process's control group, innermost first: those of v2, else those of v1.

    Inside a container the path in /proc/self/cgroup may belong to the host; then only the mount
    itself exists.
    """
    text = _read(root / "proc/self/cgroup") or ""
    base = root / "sys/fs/cgroup"
    if not (base / "cgroup.controllers").exists():
        base = base / controller
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        if (base.name == controller and controller in controllers.split(",")) or (
            base.name != controller and not controllers
        ):
            inner = base / path.lstrip("/")
            return [
                group
                for group in (inner, *inner.parents)
                if group.is_relative_to(base) and group.is_dir()
            ]
    return [base] if base.is_dir() else []


def _cgroup_memory(root: Path) -> int | None:
    limits = []
    for group in _groups(root, "memory"):
        text = _read(group / "memory.max") or _read(group / "memory.limit_in_bytes")
        if text and text.isdigit() and int(text) < V1_UNLIMITED_BYTES:
            limits.append(int(text))
    return min(limits, default=None)


def _cgroup_cores(root: Path) -> int | None:
    """Whole cores of the CPU quota, at least 1."""
    limits = []
    for group in _groups(root, "cpu"):
        quota, _, period = (_read(group / "cpu.max") or "").partition(" ")
        quota = quota or _read(group / "cpu.cfs_quota_us") or ""
        period = period or _read(group / "cpu.cfs_period_us") or ""
        if quota.isdigit() and period.isdigit() and int(period):
            limits.append(max(1, int(quota) // int(period)))
    return min(limits, default=None)


def _affinity() -> int | None:
    try:
        return len(os.sched_getaffinity(0))
    except (AttributeError, OSError):
        return None


def _proc_memory(root: Path) -> int | None:
    match = re.search(r"^MemTotal:\s+(\d+) kB", _read(root / "proc/meminfo") or "", re.MULTILINE)
    return int(match[1]) * 1024 if match else None


def _debian(root: Path) -> int | None:
    text = _read(root / "etc/os-release") or ""
    match = re.search(r'^VERSION_ID="?(\d+)', text, re.MULTILINE)
    return int(match[1]) if match and re.search(r"^ID=debian$", text, re.MULTILINE) else None


def _open_files() -> int | None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return None if hard == resource.RLIM_INFINITY else hard


def _own_threads(root: Path) -> int | None:
    """The least of this process's control group and those around it: a container's, a session's."""
    return _smallest(*(_number(group / "pids.max") for group in _groups(root, "pids")))


def _account_threads() -> int | None:
    """The soft limit, which a server inherits and does not raise."""
    soft = resource.getrlimit(resource.RLIMIT_NPROC)[0]
    return None if soft == resource.RLIM_INFINITY else soft


def _machine_threads(root: Path) -> int | None:
    """Those of the kernel, and in a container of the outermost control group that is seen."""
    kernel = (_number(root / "proc/sys/kernel" / name) for name in ("pid_max", "threads-max"))
    outermost = (_number(group / "pids.max") for group in _groups(root, "pids")[-1:])
    return _smallest(*kernel, *outermost)


def _number(path: Path) -> int | None:
    """The number in a file; None for `max`."""
    text = _read(path) or ""
    return int(text) if text.isdigit() else None


if __name__ == "__main__":
    print(json.dumps(asdict(measure(for_services=True))))
