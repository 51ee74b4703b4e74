"""Two states of this project's own code: the one that is here, and that of a commit, each with a
stack that its own commands start and stop."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from loadtest.lab import interrupts, stack
from loadtest.lab.model import HERE
from loadtest.lab.paths import CHECKOUT
from loadtest.lab.processes import pinned
from pgstack.errors import InputError
from pgstack.ports import free_port

REQUIREMENTS = "requirements/run.txt"
DIGITS = 12


@dataclass(frozen=True)
class Checkout:
    """Code at `path`, and a directory for a stack of it."""

    path: Path
    directory: Path
    port: int

    @classmethod
    def new(cls, path: Path) -> Checkout:
        """With a directory of its own, on a free port."""
        with interrupts.deferred():
            directory = Path(tempfile.mkdtemp(prefix="load-", dir="/tmp"))  # sockets live below it
        directory.chmod(0o755)
        return cls(path, directory, free_port())

    @property
    def url(self) -> str:
        """Address of its site, without a path."""
        return f"http://127.0.0.1:{self.port}"

    @contextmanager
    def running(self, cores: tuple[int, ...]) -> Iterator[None]:
        """All its servers on `cores`, started now and stopped afterwards; its rows stay. Raises
        TargetError."""
        try:
            with pinned(cores):
                self._local("up")
            yield
        finally:
            self._local("down", check=False)

    def remove(self) -> None:
        """Stop what may run, and delete the directory."""
        with interrupts.deferred():
            if (self.directory / "conf/plan.json").exists():
                self._local("down", check=False)
            shutil.rmtree(self.directory)

    def _local(self, action: str, *, check: bool = True) -> None:
        stack.local(self.directory, self.port, action, check=check, checkout=self.path)


def describe(reference: str) -> dict[str, str]:
    """Label → commit; of this checkout with a digest of what is not committed. Raises InputError
    for a reference that Git does not know."""
    commit = _git("rev-parse", "--verify", "--quiet", f"{reference}^{{commit}}")
    if not commit:
        raise InputError(
            f"AGAINST={reference}: this repository has no such commit. Name a tag, a branch or a "
            "commit of it, such as AGAINST=HEAD~1."
        )
    changed = _git("diff", "HEAD")
    own = _git("rev-parse", "HEAD").decode()[:DIGITS]
    digest = f" and changes {hashlib.sha256(changed).hexdigest()[:DIGITS]}" if changed else ""
    return {HERE: own + digest, reference: commit.decode()[:DIGITS]}


def beside(reference: str) -> bytes:
    """All files of the commit, as an archive: read while Git still trusts who asks."""
    return _git("archive", "--format=tar", reference)


@contextmanager
def exported(archive: bytes) -> Iterator[Path]:
    """The files of an archive in a directory of their own, with a virtual environment. Raises
    InputError where it would take other packages."""
    path = Path(tempfile.mkdtemp(prefix="checkout-", dir="/tmp"))
    try:
        path.chmod(0o755)
        subprocess.run(["tar", "--extract"], input=archive, cwd=path, check=True)
        if (path / REQUIREMENTS).read_bytes() != (CHECKOUT / REQUIREMENTS).read_bytes():
            _install(path)
        else:
            (path / ".venv").symlink_to(CHECKOUT / ".venv")
        yield path
    finally:
        shutil.rmtree(path)


def _install(path: Path) -> None:
    """The packages that the commit names. Raises InputError."""
    words = ["/usr/bin/python3", "-B", "tools/install.py", "run"]
    done = subprocess.run(words, cwd=path, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError(f"AGAINST: its packages cannot be installed: {done.stderr.strip()[-500:]}")


def _git(*words: str) -> bytes:
    return subprocess.run(
        ["git", "-C", str(CHECKOUT), *words], capture_output=True, check=False
    ).stdout
