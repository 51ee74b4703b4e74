"""Files kept by restic: encrypted, at a directory, an account for SFTP, or in a bucket."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pgstack.errors import TargetError
from pgstack.ops.piping import pipe, reason

HOST = "stack"
"""that all snapshots are filed under, for a host that takes another's place has another name"""
INCOMPLETE = 3
"""restic's exit status when it could not read all of a tree"""
GONE = "no such file or directory"
"""what it says of a file that was deleted while it read the tree"""
UNTRUSTED = re.compile(r"x509: .*|http: server gave HTTP response to HTTPS client")
"""what it says of a server that cannot prove who it is; newer ones try again for a quarter of an
hour"""
CLOSED = "wrong password"
"""what it says of a repository that its passphrase does not open"""
REMEDY = (
    "Have a certificate there that is good for this name, and have this machine know who signed "
    "it: put the authority's file into /usr/local/share/ca-certificates, and run "
    "update-ca-certificates."
)
END_SECONDS = 10
"""restic ends at once; so does a container that it runs in"""


@dataclass(frozen=True)
class Snapshot:
    """What a tree was; `moment` is when reading it began, in seconds since 1970."""

    name: str
    moment: float
    trees: tuple[str, ...]
    tags: tuple[str, ...]


@dataclass(frozen=True)
class Repository:
    """Where snapshots are kept. `secrets` are variables that its programs are given: the
    passphrase, and the keys of a bucket."""

    place: str
    secrets: Mapping[str, str]
    options: tuple[str, ...] = ()
    program: tuple[str, ...] = ("restic",)
    """what a command line begins with; more than its name where it runs in a container"""
    clean_environment: bool = True
    """whether its programs are given nothing else of this process's environment"""
    end: Callable[[], object] | None = None
    """what ends one that runs where a signal to the command line does not reach it"""

    def words(self, *arguments: str) -> list[str]:
        """The command line of restic with these arguments."""
        options = [word for option in self.options for word in ("--option", option)]
        place = f"--repo={self.place}"
        return [*self.program, "--quiet", "--no-cache", place, *options, *arguments]

    def environment(self) -> dict[str, str]:
        """Environment of restic and of what it starts; it holds the secrets."""
        given = (
            {"PATH": os.environ.get("PATH", "/usr/bin:/bin")}
            if self.clean_environment
            else os.environ
        )
        return {**given, **self.secrets}

    def run(self, *arguments: str) -> str:
        """What restic printed. Raises TargetError with the line that says what is wrong."""
        done = self._done(*arguments)
        if done.returncode:
            raise TargetError(f"restic {arguments[0]}: {reason(done.stderr)}")
        return done.stdout

    def _done(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Raises TargetError where restic is missing, or the server cannot prove who it is."""
        words = self.words(*arguments)
        with tempfile.TemporaryFile("w+", errors="replace") as printed:
            try:
                with subprocess.Popen(
                    words,
                    env=self.environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=printed,
                    stderr=subprocess.PIPE,
                    text=True,
                    errors="replace",
                ) as process:
                    said = self._listened(process)
            except FileNotFoundError:
                raise TargetError(
                    "restic is missing. Install it: apt-get install restic."
                ) from None
            printed.seek(0)
            return subprocess.CompletedProcess(words, process.returncode, printed.read(), said)

    def _listened(self, process: subprocess.Popen[str]) -> str:
        """All its complaints; it is ended at one that no waiting helps. Raises TargetError."""
        said = ""
        for line in process.stderr or ():
            said += line
            if complaint := UNTRUSTED.search(line):
                self._end(process)
                raise TargetError(f"restic: {self.place}: {complaint[0].strip()}. {REMEDY}")
        return said

    def _end(self, process: subprocess.Popen[str]) -> None:
        (self.end or process.terminate)()
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()

    def make(self) -> bool:
        """Make it where it is not yet, and whether it was. Raises TargetError."""
        asked = self._done("cat", "config")
        if asked.returncode == 0:
            return False
        if CLOSED in asked.stderr:
            raise TargetError(
                f"restic: {self.place}: what is there was made with another passphrase. Put that "
                "one in the place of this one (docs/backups.md#the-passphrase)."
            )
        made = self._done("init")
        if made.returncode:
            there = "already" in made.stderr
            raise TargetError(f"restic: {reason(asked.stderr if there else made.stderr)}")
        return True

    def snapshots(self) -> list[Snapshot]:
        """All of them, oldest first. Raises TargetError."""
        kept = [
            Snapshot(
                each["short_id"],
                datetime.fromisoformat(each["time"]).timestamp(),
                tuple(each["paths"]),
                tuple(each.get("tags") or ()),
            )
            for each in json.loads(self.run("snapshots", "--json", "--no-lock")) or []
        ]
        return sorted(kept, key=lambda snapshot: snapshot.moment)

    def save(self, trees: Sequence[Path], *tags: str, options: Sequence[str] = ()) -> Snapshot:
        """Keep what is in `trees` now. Raises TargetError, also when not all could be read; what
        was deleted meanwhile is not missed."""
        self.run("unlock")  # of a run that was killed: only locks whose process is gone
        known = {snapshot.name for snapshot in self.snapshots()}
        words = [f"--host={HOST}", *(f"--tag={tag}" for tag in tags), *options]
        done = self._done("backup", *words, *map(str, trees))
        missed = [line for line in done.stderr.splitlines() if "error:" in line]
        if done.returncode not in (0, INCOMPLETE) or any(GONE not in line for line in missed):
            raise TargetError(f"restic backup: {reason(done.stderr)}")
        return self._new(known)

    def _new(self, known: set[str]) -> Snapshot:
        (saved,) = [each for each in self.snapshots() if each.name not in known]
        return saved

    def save_output(self, words: Sequence[str], name: str, *tags: str) -> Snapshot:
        """Keep what a program prints as a file of this name. Raises TargetError, and keeps nothing,
        when it fails."""
        self.run("unlock")
        known = {snapshot.name for snapshot in self.snapshots()}
        options = [f"--host={HOST}", "--stdin", f"--stdin-filename={name}"]
        kept = self.words("backup", *options, *(f"--tag={tag}" for tag in tags))
        try:
            pipe(words, kept, self.environment())
        except TargetError:
            for each in self.snapshots():
                if each.name not in known:
                    self.run("forget", each.name)
            raise
        return self._new(known)

    def pour(self, snapshot: Snapshot, path: str, words: Sequence[str]) -> None:
        """Pipe a file of a snapshot into a program. Raises TargetError."""
        pipe(self.words("dump", snapshot.name, path), words, self.environment())

    def forget(self, days: int) -> None:
        """Delete snapshots older than so many days before the newest. Raises TargetError."""
        self.run("forget", f"--host={HOST}", f"--keep-within={days}d", "--prune")

    def restore(self, snapshot: Snapshot, target: Path) -> None:
        """Write it below an empty directory that nobody else may change. Raises TargetError."""
        self.run("restore", snapshot.name, f"--target={target}")

    def read(self, snapshot: Snapshot) -> tuple[int, int]:
        """Read every byte of it; the number of its files and their bytes. Raises TargetError."""
        count, size, broken = 0, 0, ""
        words = self.words("dump", "--archive=tar", snapshot.name, "/")
        with tempfile.TemporaryFile() as said:
            with subprocess.Popen(
                words, env=self.environment(), stdout=subprocess.PIPE, stderr=said
            ) as process:
                try:
                    with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
                        for entry in archive:
                            count, size = count + entry.isfile(), size + entry.size
                except tarfile.TarError as error:
                    broken = str(error)
            said.seek(0)
            complaint = reason(said.read().decode(errors="replace"))
        if process.returncode or broken:
            raise TargetError(f"restic dump: {complaint or broken}")
        return count, size


def holds_files(tree: Path) -> bool:
    """Whether there is anything to keep: directories alone, as a new host or a disk in the place of
    a lost one has them, are nothing."""
    return any(names for _, _, names in os.walk(tree))
