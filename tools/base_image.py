"""`make base-image`: the image that the project's are made from, without an image registry.

Bootstraps a minimal Debian with mmdebstrap from the archive and imports it into the engine. It is
`debian:SUITE-slim` of the newest release, or of the one that is named, as `base_image.py bookworm`.
Leaves an image of that name alone.
"""

import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import debian
from debian import ToolError, answers, say
from pgstack.planning import packages

SUITE = debian.SUPPORTED[str(packages.NEWEST)]
"""The suite that the project's images are built from."""

UNWANTED = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")
"""What a slim image leaves out, now and in every later package installation."""


def chosen(arguments: Sequence[str]) -> str:
    """Return the suite that the command line names, ``SUITE`` when it names none.

    Raises:
        ToolError: it names anything but one suite that the project supports.
    """
    known = list(debian.SUPPORTED.values())
    if not arguments:
        return SUITE
    if len(arguments) > 1 or arguments[0] not in known:
        raise ToolError(
            f"{' '.join(arguments)}: not a suite.\n  Name one of {', '.join(known)}, or none."
        )
    return arguments[0]


def bootstrap(suite: str, target: Path) -> None:
    """Write a minimal Debian of ``suite`` as a tar archive to ``target``."""
    excluded = [f"--dpkgopt=path-exclude={pattern}" for pattern in UNWANTED]
    copyrights = "--dpkgopt=path-include=/usr/share/doc/*/copyright"
    options = ["--variant=minbase", "--include=ca-certificates", *excluded, copyrights]
    # No mirror is named: mmdebstrap takes the archive's default for the suite.
    debian.run(["mmdebstrap", "--quiet", *options, suite, str(target)])


def work() -> None:
    """Make the image; do nothing when the engine has it."""
    suite = chosen(sys.argv[1:])
    image = f"debian:{suite}-slim"
    if not answers(["docker", "info", "--format", "{{.ServerVersion}}"]):
        raise ToolError("no Docker engine answers.\n  Run: make engine")
    if answers(["docker", "image", "inspect", "--format", "{{.Id}}", image]):
        say(f"base-image: {image} is there")
        return
    say(f"base-image: making {image} (about 20 s)")
    by_hand = f"Pull {image} from a registry, or install mmdebstrap by hand, then run this again."
    debian.require_debian_root("making the base image", by_hand)
    if shutil.which("mmdebstrap") is None:
        debian.install(["mmdebstrap"])
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="base-image-", dir="/var/tmp") as scratch:
        archive = Path(scratch, "base.tar")
        bootstrap(suite, archive)
        debian.run(["docker", "import", "--change", 'CMD ["bash"]', str(archive), image])
    say(f"base-image: {image} made in {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    debian.main("base-image", work)
