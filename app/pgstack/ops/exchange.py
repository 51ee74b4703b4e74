"""Replace the contents of a directory, which a less privileged account may have filled with links,
by what was restored.

    python3 exchange.py TREE WITHIN TIME

What was restored lies in TREE/.restoring, in the directory WITHIN of it; what was there before goes
to TREE/.before-TIME. Each is a name of this account's alone, and names are moved, not followed.
Without WITHIN it makes an empty TREE/.restoring. Standard library only, for containers run it as
a text.
"""

import subprocess
import sys
from pathlib import Path

STAGE, ASIDE = ".restoring", ".before-"


def begin(tree: Path) -> None:
    """An empty place for what is restored, closed to everybody else."""
    _remove(tree / STAGE)
    (tree / STAGE).mkdir(mode=0o700)


def finish(tree: Path, within: str, time: str) -> None:
    """Each name of now goes aside, each that was restored takes its place."""
    aside = tree / f"{ASIDE}{time}"
    aside.mkdir(mode=0o700)
    for path in list(tree.iterdir()):
        if path.name != STAGE and not path.name.startswith(ASIDE):
            path.rename(aside / path.name)
    restored = tree / STAGE / within.lstrip("/")
    for path in list(restored.iterdir()) if restored.is_dir() else []:
        path.rename(tree / path.name)
    _remove(tree / STAGE)
    if not any(aside.iterdir()):
        aside.rmdir()


def _remove(path: Path) -> None:
    subprocess.run(["rm", "--recursive", "--force", "--", str(path)], check=True)


if __name__ == "__main__":
    if sys.argv[2:]:
        finish(Path(sys.argv[1]), *sys.argv[2:])
    else:
        begin(Path(sys.argv[1]))
