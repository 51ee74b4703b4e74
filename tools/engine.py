"""`make engine`: a Docker engine with Compose v2 and buildx on a bare Debian 12 or 13 machine.

Leaves an engine alone that answers and has both plugins. Everything comes from Debian's own
packages and the mirror that this machine's apt already uses.
"""

import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import cli_plugins
import debian
from debian import ToolError, answers, say

PROC = Path("/proc")
PID_FILE = Path("/var/run/docker.pid")
LOG_FILE = Path("/var/log/dockerd.log")
START_SECONDS = 60

BY_HAND = (
    "Install Docker Engine with the Compose v2 and buildx plugins by hand, then run this again."
)


@dataclass(frozen=True)
class Engine:
    """What `docker` says about itself; None stands for "it is not there"."""

    server: str | None
    compose: str | None
    buildx: str | None

    @property
    def complete(self) -> bool:
        """Whether the engine answers and both plugins are there."""
        return None not in (self.server, self.compose, self.buildx)

    def __str__(self) -> str:
        """Name the three versions on one line."""
        return f"Docker Engine {self.server}, Compose {self.compose}, buildx {self.buildx}"


def detect() -> Engine:
    """Ask the Docker CLI for the engine and the two plugins."""
    compose = answers(["docker", "compose", "version", "--short"])
    buildx = re.search(r"\d+\.\d+\S*", answers(["docker", "buildx", "version"]) or "")
    return Engine(
        server=answers(["docker", "info", "--format", "{{.ServerVersion}}"]) or None,
        compose=compose if compose and re.match(r"v?[2-9]", compose) else None,
        buildx=buildx.group() if buildx else None,
    )


def packages(engine: Engine, release: str) -> list[str]:
    """Return the Debian packages that ``engine`` lacks on this Debian release."""
    wanted = []
    if engine.server is None and shutil.which("dockerd") is None:
        wanted += ["docker.io", "iptables", "ca-certificates"]
        if _apparmor_enabled():
            wanted.append("apparmor")
    if release == "13":
        if shutil.which("docker") is None:
            wanted.append("docker-cli")
        missing = (engine.compose is None, engine.buildx is None)
        wanted += [name for name, absent in zip(cli_plugins.NAMES, missing, strict=True) if absent]
    return wanted


def _apparmor_enabled() -> bool:
    # With AppArmor in the kernel and no parser, dockerd starts no container.
    switch = Path("/sys/module/apparmor/parameters/enabled")
    return switch.exists() and switch.read_text(encoding="ascii").startswith("Y")


def start() -> None:
    """Start dockerd, through systemd where it runs, else in the background, and wait for an
    answer."""
    if Path("/run/systemd/system").is_dir():
        say("  starting the service docker")
        debian.run(["systemctl", "enable", "--now", "docker"])
        process = None
    else:
        say(f"  starting dockerd in the background (log {LOG_FILE}, process id {PID_FILE})")
        _drop_stale_pid_file()
        with LOG_FILE.open("ab") as log:
            process = subprocess.Popen(
                ["dockerd", f"--pidfile={PID_FILE}"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
    _wait(process)


def _drop_stale_pid_file() -> None:
    # dockerd refuses to start when any process at all has the number in its pid file.
    try:
        owner = PROC / PID_FILE.read_text(encoding="ascii").strip() / "comm"
    except OSError:
        return
    if not owner.exists() or owner.read_text(encoding="utf-8").strip() != "dockerd":
        PID_FILE.unlink()


def _wait(process: "subprocess.Popen[bytes] | None") -> None:
    deadline = time.monotonic() + START_SECONDS
    while answers(["docker", "info", "--format", "{{.ServerVersion}}"], seconds=10) in (None, ""):
        ended = process is not None and process.poll() is not None
        if ended or time.monotonic() > deadline:
            reason = "stopped at once" if ended else f"did not answer within {START_SECONDS} s"
            raise ToolError(
                f"dockerd {reason}. Its last words:\n{_last_words(process is None)}\n"
                "  Fix what its last line names, and run this again."
            )
        time.sleep(0.3)


def _last_words(by_systemd: bool) -> str:
    lines = str(debian.TAIL_LINES)
    if by_systemd:
        command = ["journalctl", "--unit=docker", "--no-pager", f"--lines={lines}"]
    else:
        command = ["tail", f"--lines={lines}", str(LOG_FILE)]
    return answers(command) or "(nothing)"


def _refused() -> bool:
    # An engine is there, and this user may not talk to it.
    socket = Path("/var/run/docker.sock")
    return socket.exists() and not os.access(socket, os.W_OK)


def work() -> None:
    """Bring the engine up; do nothing when it already is."""
    engine = detect()
    if engine.complete:
        say(f"engine: ready: {engine}")
        return
    if _refused():
        raise ToolError(
            "a Docker engine is there, and this user may not use it.\n"
            "  Run as root: usermod --append --groups docker USER, and log in again."
        )
    if engine.server is None and (host := os.environ.get("DOCKER_HOST")):
        raise ToolError(
            f"DOCKER_HOST={host} does not answer.\n  Unset it to have an engine on this machine."
        )
    release = debian.require_debian_root("installing a Docker engine", BY_HAND)
    say(f"engine: Debian {release}")
    if wanted := packages(engine, release):
        debian.install(wanted)
    if release == "12" and None in (engine.compose, engine.buildx):
        cli_plugins.install()
    if detect().server is None:
        start()
    engine = detect()
    if not engine.complete:
        raise ToolError(f"something is still missing: {engine}.\n  {BY_HAND}")
    say(f"engine: ready: {engine}")


if __name__ == "__main__":
    debian.main("engine", work)
