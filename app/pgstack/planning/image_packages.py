"""`python -m pgstack.planning.image_packages web` (or `postgres`): what an image has of
STACK_PACKAGES and STACK_EXTENSIONS, installed while it is built.

Only what Debian's python3-minimal has: PostgreSQL's image has no more.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Mapping

from pgstack.planning import packages

IMAGES = ("web", "postgres")


def requested_packages(image: str, environ: Mapping[str, str], debian: int) -> tuple[str, ...]:
    """The packages of an image, on this release. Raises ValueError, which names the input."""
    return packages.requested(environ, debian)[IMAGES.index(image)]


def install(names: tuple[str, ...]) -> None:
    """Install them, and remove what only the installation needs. Raises OSError and
    CalledProcessError."""
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-q"], env=quiet, check=True)
    subprocess.run(packages.install_command([*names], *packages.EXACT), env=quiet, check=True)
    subprocess.run(["apt-get", "clean"], env=quiet, check=True)
    lists = ["find", "/var/lib/apt/lists", "-mindepth", "1", "-delete"]
    subprocess.run(lists, check=True)


def main() -> None:
    """Install what the variables ask for; doing nothing is fine."""
    debian = int(platform.freedesktop_os_release()["VERSION_ID"])
    try:
        names = requested_packages(sys.argv[1], os.environ, debian)
        if names:
            install(names)
    except ValueError as error:
        sys.exit(f"ERROR: {error}")
    except subprocess.CalledProcessError as error:
        sys.exit(f"ERROR: {' '.join(names)}: apt-get failed with status {error.returncode}.")


if __name__ == "__main__":
    main()
