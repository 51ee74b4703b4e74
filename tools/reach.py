"""`make up` as root: a checkout that other accounts cannot reach is refused, and nothing is made.

The stack never runs as root, and what lies below /root nobody else may enter. Somebody else's
checkout is left alone: the stack runs as its owner.
"""

import os
import shlex
import stat
from pathlib import Path

import debian
from debian import ToolError

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
    """Refuse a checkout of root's that the stack's account cannot enter.

    Raises:
        ToolError: it is one; the message ends with the commands that help.
    """
    closed = barrier(ROOT)
    if os.geteuid() != 0 or ROOT.stat().st_uid != 0 or closed is None:
        return
    target = SRV / (f"{ROOT.name}-2" if (SRV / ROOT.name).exists() else ROOT.name)
    raise ToolError(
        f"the stack does not run as root, and other accounts may not enter {closed}.\n"
        f"  Run: mv {shlex.quote(str(ROOT))} {shlex.quote(str(target))}\n"
        f"       cd {shlex.quote(str(target))} && make up"
    )


if __name__ == "__main__":
    debian.main("reach", work)
