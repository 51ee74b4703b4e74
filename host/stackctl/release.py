"""Releases: directories below `paths.root`, prepared, switched to, gone back to, and cleared
away."""

from __future__ import annotations

import json
import os
import shutil
from functools import partial
from pathlib import Path

from . import apache, commands, environments, pgbouncer, safe, system, tree, workers
from .replacing import replacing
from .safe import StackctlError
from .stack import Stack

KEPT = 5
"""releases on the host, the one that serves included"""
COMPLETE = "complete"
"""file in a release that was built to its end"""
MIGRATE = ("migrate", "--no-input", "--verbosity=1")
COLLECT = ("collectstatic", "--no-input", "--verbosity=0")
GENTLY = frozenset({"check", "collectstatic"})
"""commands that may wait for requests; a migration holds locks, for which requests wait"""


def switch(stack: Stack, name: str) -> str:
    """Prepare a release and serve it; the old one serves on when anything fails. Returns what was
    done."""
    release = stack.root / "releases" / name
    if not (release / COMPLETE).is_file():
        raise StackctlError(f"{release}: no complete release. Run the playbook deploy.yml.")
    if _serves(stack, release):  # the configuration may be new
        commands.require(stack, release)
        return workers.around(stack, release, partial(apache.apply, stack, release))
    _collect(stack, release)  # first: code that is imported may ask for the address of such a file
    manage(stack, release, "check")
    commands.require(stack, release)
    manage(stack, release, *MIGRATE)
    pgbouncer.reconnect(stack)
    for more in _more(release):
        manage(stack, release, *more)
    _offer_static(stack, release)
    done = workers.around(stack, release, partial(_serve, stack, release))
    _clear(stack)
    return f"{name} serves: {done}"


def changes(stack: Stack, name: str) -> bool:
    """Whether `switch` has anything to do for those who are served."""
    release = stack.root / "releases" / name
    return not (_serves(stack, release) and apache.is_in_force(stack, release))


def complete(stack: Stack, name: str, after: list[list[str]]) -> None:
    """Mark a release that was built as one that may serve, with the project's own commands after
    the migration."""
    text = json.dumps({"commands": after})
    safe.write(stack.root / "releases" / name / COMPLETE, f"{text}\n".encode())


def _serve(stack: Stack, release: Path) -> str:
    done = apache.apply(stack, release)
    _mark(stack, release)
    return done


def back(stack: Stack) -> str:
    """Serve the release before this one again. The database stays as it is. Returns what was
    done."""
    try:
        release = (stack.root / "previous").readlink()
    except OSError:
        raise StackctlError("There is no release to go back to.") from None
    if not (release / COMPLETE).is_file():
        raise StackctlError(f"{release}: it is no longer there.")
    python = f"python{stack.versions.python}"
    if not (release / "venv/lib" / python).is_dir():
        raise StackctlError(
            f"{release}: it was built for another version than {python}, before an upgrade of "
            "Debian; nothing was changed. Check its code out, and run the playbook deploy.yml."
        )
    _offer_static(stack, release)
    done = workers.around(stack, release, partial(_serve, stack, release))
    return f"{release.name} serves again: {done}"


def _serves(stack: Stack, release: Path) -> bool:
    try:
        return apache.current(stack) == release and apache.serving(stack) is not None
    except StackctlError:
        return False


def _more(release: Path) -> list[list[str]]:
    """The project's own commands after the migration."""
    commands: list[list[str]] = json.loads((release / COMPLETE).read_text())["commands"]
    return commands


def manage(stack: Stack, release: Path, *words: str) -> None:
    """A management command of the release, as the account that deploys. Raises StackctlError with
    its last words."""
    first = ("nice", f"--adjustment={apache.GENTLE}") if words[0] in GENTLY else ()
    done = system.run(*first, "env", f"STACK_RELEASE={release}", stack.names.manage, *words)
    if done.returncode:
        said = "\n".join((done.stderr.strip() or done.stdout.strip()).splitlines()[-3:])
        raise StackctlError(
            f"{words[0]} failed: {said}\nThe release {release.name} does not serve; what served "
            f"before it keeps serving."
        )


def _collect(stack: Stack, release: Path) -> None:
    """Collect the release's static files as the account that deploys, then hand them to root.

    What that account collected is taken aside and copied, for it may still have it open, and links
    in it lead anywhere.
    """
    static, aside, built = (release / name for name in ("static", ".collected", "built"))
    for path in (static, aside):
        safe.remove(path)
    account = stack.accounts.deploy
    if built.exists():  # those that its build made
        tree.install(built, static, account)
    else:
        safe.make_directory(static, 0o755, account, account)
    manage(stack, release, *COLLECT)
    static.rename(aside)
    tree.install(aside, static)
    safe.remove(aside)


def _offer_static(stack: Stack, release: Path) -> None:
    """Add the release's static files to those that are served: pages of both releases are open in
    browsers."""
    source, goal = release / "static", Path(stack.paths.static)
    for path in sorted(source.rglob("*")):
        target = goal / path.relative_to(source)
        if path.is_dir():
            target.mkdir(mode=0o755, parents=True, exist_ok=True)
        elif not target.exists() or not path.samefile(target):
            with safe.directory(target.parent) as parent, replacing(parent, target.name) as fresh:
                os.link(path, fresh, dst_dir_fd=parent, follow_symlinks=False)


def _mark(stack: Stack, release: Path) -> None:
    """Remember which release serves, and which one served before."""
    try:
        before = apache.current(stack)
    except StackctlError:
        before = release
    if before != release:
        safe.link(stack.root / "previous", str(before))
    safe.link(stack.root / "current", str(release))


def _clear(stack: Stack) -> None:
    """Delete the oldest releases but KEPT, and the environments and static files that no release
    has."""
    held = {link.readlink() for link in stack.root.iterdir() if link.is_symlink()}
    newest_first = sorted(
        (stack.root / "releases").iterdir(), key=lambda path: path.stat().st_mtime, reverse=True
    )
    for release in newest_first[KEPT:]:
        if release not in held:
            shutil.rmtree(release)
    environments.clear(stack)
    for path in Path(stack.paths.static).rglob("*"):
        if path.is_file() and path.stat().st_nlink == 1:
            path.unlink()
