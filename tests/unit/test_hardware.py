"""Detection from made-up trees: control groups v2 and v1, /proc, /etc/os-release, and nothing at
all."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

from pgstack.planning import hardware as module
from pgstack.planning.config import StackConfig
from pgstack.planning.hardware import Hardware, detect


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with 16 cores, a hard limit of 4096 open files and a soft one of 3000 threads."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(16)))
    limits = {resource.RLIMIT_NOFILE: (1024, 4096), resource.RLIMIT_NPROC: (3000, 5000)}
    monkeypatch.setattr(resource, "getrlimit", limits.get)


def tree(root: Path, **files: str) -> Path:
    """Files below `root`; in the names, `__` stands for `/`."""
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return root


def measured(root: Path, **inputs: object) -> Hardware:
    return detect(StackConfig.model_validate(inputs), root)


def v2(root: Path, group: str, **files: str) -> Path:
    """A tree of control groups v2 with this process in `group`; in the names, `__` stands for `/`
    and `_` for a dot."""
    base = root / "sys/fs/cgroup"
    tree(root, proc__self__cgroup=f"0::/{group}", proc__meminfo="MemTotal:       16777216 kB")
    base.mkdir(parents=True, exist_ok=True)
    (base / "cgroup.controllers").write_text("cpu memory\n")
    for name, text in files.items():
        path = base / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return root


def test_v2_limits_of_the_own_group_win_over_the_machine(tmp_path: Path) -> None:
    v2(tmp_path, "app", app__memory_max="536870912", app__cpu_max="200000 100000")
    assert measured(tmp_path) == Hardware(
        cores=2, memory=536870912, debian=None, open_files=4096, max_threads=3000
    )


def test_v2_limit_of_an_outer_group_holds_too(tmp_path: Path) -> None:
    v2(
        tmp_path,
        "a/b",
        a__b__memory_max="1073741824",
        a__b__cpu_max="400000 100000",
        a__memory_max="268435456",
    )
    v2(tmp_path, "a/b", a__cpu_max="300000 100000")
    hardware = measured(tmp_path)
    assert (hardware.cores, hardware.memory) == (3, 268435456)


def test_v2_without_a_limit_leaves_the_machine(tmp_path: Path) -> None:
    v2(tmp_path, "app", app__memory_max="max", app__cpu_max="max 100000")
    hardware = measured(tmp_path)
    assert (hardware.cores, hardware.memory) == (16, 17179869184)


def test_v2_limit_larger_than_the_machine_leaves_the_machine(tmp_path: Path) -> None:
    v2(tmp_path, "app", app__memory_max="34359738368", app__cpu_max="6400000 100000")
    hardware = measured(tmp_path)
    assert (hardware.cores, hardware.memory) == (16, 17179869184)


def test_v2_in_a_container_whose_group_path_belongs_to_the_host(tmp_path: Path) -> None:
    v2(tmp_path, "system.slice/docker-1.scope", memory_max="536870912", cpu_max="100000 100000")
    hardware = measured(tmp_path)
    assert (hardware.cores, hardware.memory) == (1, 536870912)


@pytest.mark.parametrize(
    ("quota", "cores"), [("50000", 1), ("150000", 1), ("199999", 1), ("250000", 2)]
)
def test_a_part_of_a_core_is_rounded_down_but_never_to_none(
    tmp_path: Path, quota: str, cores: int
) -> None:
    v2(tmp_path, "app", app__cpu_max=f"{quota} 100000")
    assert measured(tmp_path).cores == cores


def v1(root: Path, memory: str, quota: str, inside: str = "docker/1") -> Path:
    """A tree of control groups v1 with this process in /docker/1 and the limits in `inside`."""
    base = root / "sys/fs/cgroup"
    tree(
        root,
        proc__self__cgroup="5:memory:/docker/1\n4:cpu,cpuacct:/docker/1\n1:name=systemd:/docker/1",
        proc__meminfo="MemTotal:        8388608 kB",
    )
    for path, text in {
        base / "memory" / inside / "memory.limit_in_bytes": memory,
        base / "cpu" / inside / "cpu.cfs_quota_us": quota,
        base / "cpu" / inside / "cpu.cfs_period_us": "100000",
    }.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return root


@pytest.mark.parametrize("inside", ["docker/1", "docker", ""], ids=["own", "outer", "mount"])
def test_v1_limits_are_found(tmp_path: Path, inside: str) -> None:
    hardware = measured(v1(tmp_path, "1073741824", "300000", inside))
    assert (hardware.cores, hardware.memory) == (3, 1073741824)


def test_v1_without_a_limit_leaves_the_machine(tmp_path: Path) -> None:
    hardware = measured(v1(tmp_path, "9223372036854771712", "-1"))
    assert (hardware.cores, hardware.memory) == (16, 8589934592)


def test_v1_number_for_no_limit_is_not_taken_for_memory(tmp_path: Path) -> None:
    v1(tmp_path, "9223372036854771712", "-1")
    (tmp_path / "proc/meminfo").unlink()
    assert measured(tmp_path).memory is None


def test_without_control_groups_the_machine_counts(tmp_path: Path) -> None:
    hardware = measured(tree(tmp_path, proc__meminfo="MemFree: 1 kB\nMemTotal:        2097152 kB"))
    assert (hardware.cores, hardware.memory) == (16, 2147483648)


def test_what_cannot_be_read_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(pid: int) -> set[int]:
        raise OSError("no such call")

    monkeypatch.setattr(os, "sched_getaffinity", unsupported)
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    monkeypatch.setattr(resource, "getrlimit", lambda which: unlimited)
    assert measured(tmp_path) == Hardware(cores=None, memory=None, debian=None, open_files=None)


def test_an_explicit_value_wins_over_detection(tmp_path: Path) -> None:
    v2(tmp_path, "app", app__memory_max="536870912", app__cpu_max="200000 100000")
    tree(tmp_path, **{"etc__os-release": 'ID=debian\nVERSION_ID="12"'})
    hardware = measured(tmp_path, cores=64, memory="64g", debian=13)
    assert hardware == Hardware(
        cores=64, memory=68719476736, debian=13, open_files=4096, max_threads=3000
    )


def kernel(root: Path, pid_max: int, threads: int) -> None:
    """The kernel's own limits."""
    names = {"proc__sys__kernel__pid_max": pid_max, "proc__sys__kernel__threads-max": threads}
    tree(root, **{name: str(number) for name, number in names.items()})


@pytest.mark.parametrize(
    ("own", "outer", "pid_max", "threads_max", "threads"),
    [
        ("1024", "max", 32768, 15000, 1024),
        ("2048", "1500", 32768, 15000, 1500),
        ("max", "max", 2500, 15000, 2500),
        ("max", "max", 32768, 2600, 2600),
        ("max", "max", 32768, 15000, 3000),
    ],
    ids=["container", "around it", "pid_max", "threads-max", "ulimit -u"],
)
@pytest.mark.parametrize("version", [1, 2])
def test_the_smallest_limit_of_threads_counts(
    tmp_path: Path, version: int, own: str, outer: str, pid_max: int, threads_max: int, threads: int
) -> None:
    base = tmp_path / "sys/fs/cgroup"
    group = base / ("app" if version == 2 else "pids/app")
    group.mkdir(parents=True)
    if version == 2:
        (base / "cgroup.controllers").write_text("pids\n")
    tree(tmp_path, proc__self__cgroup="0::/app" if version == 2 else "8:pids:/app\n0::/")
    (group / "pids.max").write_text(f"{own}\n")
    (group.parent / "pids.max").write_text(f"{outer}\n")
    kernel(tmp_path, pid_max, threads_max)
    assert measured(tmp_path).max_threads == threads


def test_services_have_the_threads_of_the_machine_and_not_of_the_session(tmp_path: Path) -> None:
    v2(tmp_path, "user.slice/user-0.slice")
    (tmp_path / "sys/fs/cgroup/user.slice/user-0.slice").mkdir(parents=True, exist_ok=True)
    (tmp_path / "sys/fs/cgroup/user.slice/pids.max").write_text("500\n")
    (tmp_path / "sys/fs/cgroup/pids.max").write_text("9000\n")
    kernel(tmp_path, 32768, 15000)
    assert measured(tmp_path).max_threads == 500
    assert module.measure(tmp_path, for_services=True).max_threads == 9000


@pytest.mark.parametrize(
    ("text", "release"),
    [
        ('PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\nID=debian', 12),
        ('ID=debian\nVERSION_ID="13"', 13),
        ('ID=ubuntu\nVERSION_ID="24.04"', None),
        ("ID=debian", None),
        ('ID=devuan\nID_LIKE=debian\nVERSION_ID="12"', None),
    ],
)
def test_only_debian_names_a_release(tmp_path: Path, text: str, release: int | None) -> None:
    assert measured(tree(tmp_path, **{"etc__os-release": text})).debian == release
