"""Commands in a container that runs, without its engine: that takes a tenth of a second of a processor
for each, and tests of hosts give thousands."""

from __future__ import annotations

import os
import subprocess
from functools import cache
from pathlib import Path

from docker_engine import docker

CGROUPS = Path("/sys/fs/cgroup")
SPACES = ("--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup")
JOIN = 'for each in $1; do echo $$ > "$each"; done; shift; exec "$@"'
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "container": "docker",
}
"""what the engine gives; hosts are started with the last of them"""


def run(container: str, *command: str) -> subprocess.CompletedProcess[str]:
    """A command in it as root, with the rights and in the control groups of all that it runs: what
    `docker exec` does."""
    if (words := _words(container)) is None:
        return docker("exec", container, *command, check=False)
    return subprocess.run(
        [*words, *command],
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        umask=0o022,
        start_new_session=True,
    )


def _words(container: str) -> list[str] | None:
    """Those that begin a command there; None where the engine has to be asked, for the container is
    stopped or paused, or its root is not this one."""
    if os.geteuid():
        return None
    try:
        process = _process(container)
        if container not in Path(f"/proc/{process}/cgroup").read_text():  # it was booted again
            _process.cache_clear()
            process = _process(container)
        groups = _groups(process, container)
        users = {Path(f"/proc/{each}/ns/user").readlink() for each in (process, "self")}
    except FileNotFoundError:
        _process.cache_clear()
        return None
    if not groups or len(users) > 1 or any(map(_is_frozen, groups)):
        return None
    (bounds,) = (
        int(line.split()[1], 16)
        for line in Path(f"/proc/{process}/status").read_text().splitlines()
        if line.startswith("CapBnd:")
    )
    kept = ",".join(["-all", *(f"+cap_{bit}" for bit in range(64) if bounds >> bit & 1)])
    joined = " ".join(str(group / "cgroup.procs") for group in groups)
    enter = (
        "nsenter",
        f"--target={process}",
        *SPACES,
        "setpriv",
        "--groups=0",
        f"--bounding-set={kept}",
    )
    return ["sh", "-c", JOIN, "join", joined, *enter]


@cache
def _process(container: str) -> int:
    """Number of its first process, seen from here."""
    return int(docker("inspect", "--format={{.State.Pid}}", container, check=False).stdout or 0)


def _groups(process: int, container: str) -> list[Path]:
    """Directories of its control groups; in version 2 a process is only in one without others below."""
    groups = []
    for line in Path(f"/proc/{process}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        own = path[: path.index(container) + len(container)] if controllers else path
        groups.append(CGROUPS / controllers.removeprefix("name=") / own.lstrip("/"))
    return [group for group in groups if (group / "cgroup.procs").exists()]


def _is_frozen(group: Path) -> bool:
    """Whether whoever joins it would wait for the container to go on."""
    version_1 = group / "freezer.state"
    if version_1.exists():
        return version_1.read_text().strip() != "THAWED"
    return any(
        path.exists() and path.read_text().strip() == "1"
        for path in (group / "cgroup.freeze", group.parent / "cgroup.freeze")
    )
