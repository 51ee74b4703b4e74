"""What the tools share: the Debian they run on, its packages, commands and errors.

Runs with a bare ``/usr/bin/python3``: standard library only.
"""

import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "app"))

from pgstack.planning import packages

SUPPORTED = {str(number): release.suite for number, release in packages.RELEASES.items()}
"""Debian releases the tools know, version → code name."""

TAIL_LINES = 15
"""How much of a failed command's output an error repeats."""


class ToolError(Exception):
    """What failed, why, and the remedy, in one message."""


def say(message: str) -> None:
    """Print one line of progress at once, also into a pipe."""
    print(message, flush=True)


def run(command: Sequence[str], **environment: str) -> str:
    """Run ``command`` quietly and return what it printed.

    Raises:
        ToolError: it failed or is not there; the message ends with its last lines.
    """
    try:
        done = subprocess.run(
            command,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    except OSError as error:
        raise ToolError(f"cannot run {command[0]}: {error.strerror or error}") from error
    if done.returncode != 0:
        tail = "\n".join(f"    {line}" for line in done.stdout.splitlines()[-TAIL_LINES:])
        raise ToolError(f"`{shlex.join(command)}` failed with status {done.returncode}:\n{tail}")
    return done.stdout


def answers(command: Sequence[str], seconds: float = 20) -> str | None:
    """Return what ``command`` prints on success, None when it fails, hangs or is not there."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def version(os_release: Path = Path("/etc/os-release")) -> str | None:
    """Return the Debian version of this machine, None when it is not a Debian we support."""
    try:
        lines = os_release.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    fields = {key: value.strip("\"'") for key, _, value in (line.partition("=") for line in lines)}
    version_id = fields.get("VERSION_ID", "")
    return version_id if fields.get("ID") == "debian" and version_id in SUPPORTED else None


def require_debian_root(purpose: str, remedy: str) -> str:
    """Return the Debian version when packages may be installed here.

    Raises:
        ToolError: not a Debian release that is known, or not root; the message ends with
        ``remedy``.
    """
    release = version()
    if release is None:
        raise ToolError(
            f"{purpose} needs Debian {packages.known('or')}, and this is neither.\n  {remedy}"
        )
    if os.geteuid() != 0:
        script = shlex.quote(os.path.relpath(sys.argv[0]))
        raise ToolError(f"{purpose} needs root.\n  Run as root: /usr/bin/python3 {script}")
    return release


def install(packages: Sequence[str]) -> None:
    """Install Debian packages without recommended extras and without questions."""
    say(f"  installing {' '.join(packages)}")
    run(["apt-get", "update", "-qq"])
    run(
        ["apt-get", "install", "-qq", "-y", "--no-install-recommends", *packages],
        DEBIAN_FRONTEND="noninteractive",
    )


def main(tool: str, work: Callable[[], None]) -> None:
    """Run ``work`` as a command line tool: a ToolError becomes one message and exit status 2."""
    try:
        work()
    except ToolError as error:
        print(f"{tool}: {error}", file=sys.stderr)
        raise SystemExit(2) from error
    except KeyboardInterrupt:
        raise SystemExit(130) from None
