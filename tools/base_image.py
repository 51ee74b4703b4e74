"""`make base-image`: the image `debian:trixie-slim` without an image registry.

Bootstraps a minimal Debian with mmdebstrap from the archive and imports it into the engine.
Leaves an image of that name alone.
"""

import shutil
import tempfile
import time
from pathlib import Path

import debian
from debian import ToolError, answers, say

IMAGE = "debian:trixie-slim"
SUITE = "trixie"

UNWANTED = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")
"""What a slim image leaves out, now and in every later package installation."""

BY_HAND = f"Pull {IMAGE} from a registry, or install mmdebstrap by hand, then run this again."


def bootstrap(target: Path) -> None:
    """Write a minimal Debian as a tar archive to ``target``."""
    excluded = [f"--dpkgopt=path-exclude={pattern}" for pattern in UNWANTED]
    copyrights = "--dpkgopt=path-include=/usr/share/doc/*/copyright"
    options = ["--variant=minbase", "--include=ca-certificates", *excluded, copyrights]
    # No mirror is named: mmdebstrap takes the archive's default for the suite.
    debian.run(["mmdebstrap", "--quiet", *options, SUITE, str(target)])


def work() -> None:
    """Make the image; do nothing when the engine has it."""
    if not answers(["docker", "info", "--format", "{{.ServerVersion}}"]):
        raise ToolError("no Docker engine answers.\n  Run: make engine")
    if answers(["docker", "image", "inspect", "--format", "{{.Id}}", IMAGE]):
        say(f"base-image: {IMAGE} is there")
        return
    say(f"base-image: making {IMAGE} (about 20 s)")
    debian.require_debian_root("making the base image", BY_HAND)
    if shutil.which("mmdebstrap") is None:
        debian.install(["mmdebstrap"])
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="base-image-", dir="/var/tmp") as scratch:
        archive = Path(scratch, "base.tar")
        bootstrap(archive)
        debian.run(["docker", "import", "--change", 'CMD ["bash"]', str(archive), IMAGE])
    say(f"base-image: {IMAGE} made in {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    debian.main("base-image", work)
