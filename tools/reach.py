"""`make up` as root: a checkout that other accounts cannot reach moves to where they can.

The stack never runs as root, and what lies below /root nobody else may enter. The checkout moves
to /srv as it is, and a link stays where it was. Somebody else's checkout is left alone: the stack
runs as its owner.
"""

import os
import stat
from pathlib import Path

import debian
from debian import ToolError, say

ROOT = Path(__file__).resolve().parents[1]
SRV = Path("/srv")
"""Where the file system hierarchy puts what a machine serves; everybody may enter it."""


def barrier(path: Path) -> Path | None:
    """Return the topmost directory above ``path`` that others may not enter, None when there is
    none."""
    return next(
        (parent for parent in reversed(path.parents) if not parent.stat().st_mode & stat.S_IXOTH),
        None,
    )


def work() -> None:
    """Move the checkout, or say how.

    Raises:
        ToolError: the name is taken, or the checkout is on another file system or a mount point.
    """
    closed = barrier(ROOT)
    if os.geteuid() != 0 or ROOT.stat().st_uid != 0 or closed is None:
        return
    why = f"the stack does not run as root, and other accounts may not enter {closed}"
    target = SRV / ROOT.name
    if target.exists():
        raise ToolError(
            f"{why}; {target} is taken.\n  Run: mv {ROOT} {SRV}/NAME && cd {SRV}/NAME && make up"
        )
    try:
        ROOT.rename(target)
    except OSError as error:
        by_hand = f"cp -a {ROOT} {target} && cd {target} && make up"
        raise ToolError(
            f"{why}; moving to {target} failed: {error.strerror}.\n  Run: {by_hand}"
        ) from error
    ROOT.symlink_to(target)
    say(
        f"checkout  moved to {target} and linked from {ROOT}: other accounts may not enter {closed}"
    )


if __name__ == "__main__":
    debian.main("reach", work)
