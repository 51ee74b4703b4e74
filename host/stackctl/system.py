"""The host: programs, units, files, and how a failure is reported."""

from __future__ import annotations

import ctypes
import os
import pwd
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pgstack.ops import lock

from . import processes, safe
from .safe import StackctlError
from .stack import INSTANCES

Done = subprocess.CompletedProcess[str]
UNITS = Path("/etc/systemd/system")
CALM = ("nice", "--adjustment=10")
"""what begins so leaves the processors to requests"""
END_SECONDS = 5
"""for a program to end after its signal"""
LOCK_SECONDS = 120
"""for another stackctl that works on the host"""


def run(
    *command: str, account: str = "", timeout: float | None = None, text: str | None = None
) -> Done:
    """A program's end, as root or as `account`, with `text` as its input.

    A program that takes longer than `timeout` seconds has failed. Where this does not run as root
    it runs as the account that is wanted, in a unit of its own. In a session of its own it cannot
    type into root's terminal.
    """
    words = (
        ["runuser", "-u", account, "--", *command]
        if account and os.geteuid() == 0
        else list(command)
    )
    given = subprocess.DEVNULL if text is None else subprocess.PIPE
    with subprocess.Popen(
        words,
        stdin=given,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd="/",
        start_new_session=True,
    ) as process:
        try:
            said, complained = process.communicate(text, timeout)
        except subprocess.TimeoutExpired:
            _end(process)
            return subprocess.CompletedProcess(words, 124, "", f"no end after {timeout} s")
        except BaseException:
            _end(process)
            raise
    return subprocess.CompletedProcess(words, process.returncode, said, complained)


def _end(process: subprocess.Popen[str]) -> None:
    """End a program and what it has started: no terminal will."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(END_SECONDS)
            return


def require(*command: str, account: str = "", text: str | None = None) -> str:
    """What a program printed. Raises StackctlError with its last words when it failed."""
    done = run(*command, account=account, text=text)
    if done.returncode:
        raise StackctlError(f"{Path(command[0]).name}: {last_words(done)}")
    return done.stdout


def last_words(done: subprocess.CompletedProcess[str]) -> str:
    """The last line of a failure."""
    lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
    return lines[-1] if lines else f"status {done.returncode}"


def active(unit: str) -> bool:
    """Whether systemd says that the unit runs."""
    return run("systemctl", "is-active", "--quiet", unit).returncode == 0


def busy(unit: str) -> bool:
    """Whether it runs, or is about to: a unit that does its work once is `activating` all the
    time."""
    return run("systemctl", "is-active", unit).stdout.strip() in ("active", "activating")


def failed(unit: str) -> bool:
    """Whether systemd has given it up."""
    return run("systemctl", "is-failed", "--quiet", unit).returncode == 0


def enabled(unit: str) -> bool:
    """Whether the unit starts at boot."""
    return run("systemctl", "is-enabled", "--quiet", unit).returncode == 0


def at_boot(unit: Callable[[str], str]) -> str:
    """The instance that starts at boot, of those that `unit` names the units of; else the first."""
    return next((name for name in INSTANCES if enabled(unit(name))), INSTANCES[0])


def what_serves(old: str | None) -> str:
    """What serves after a takeover from the instance `old` has failed, as a sentence."""
    return (
        f"Instance {old} keeps serving with its previous configuration."
        if old
        else "Nothing serves."
    )


def start(unit: str) -> None:
    """Start it. Raises StackctlError with what it wrote."""
    since = time.time()
    if run("systemctl", "start", unit).returncode:
        raise StackctlError(complaint(unit, since))


def stop(unit: str) -> None:
    """Stop it, and forget that it may have failed."""
    run("systemctl", "stop", unit)
    run("systemctl", "reset-failed", unit)


def restarted(unit: str) -> bool:
    """Whether it ended by itself since it was started."""
    return require("systemctl", "show", "--property=NRestarts", "--value", unit).strip() not in (
        "",
        "0",
    )


def stopped(unit: str) -> list[int]:
    """Processes of a unit that a signal has stopped."""
    return processes.stopped(main_process(unit))


def main_process(unit: str) -> int:
    """Number of a unit's main process; 0 when it does not run."""
    return int(require("systemctl", "show", "--property=MainPID", "--value", unit))


@contextmanager
def identity(account: str) -> Iterator[None]:
    """Within it this process, with all its threads, is `account` to those whom it connects to."""
    user = os.geteuid()
    os.seteuid(pwd.getpwnam(account).pw_uid)
    try:
        yield
    finally:
        os.seteuid(user)


@contextmanager
def file_access(account: str) -> Iterator[None]:
    """Within it this thread, and no other, opens files and connects to sockets as that account may
    (setfsuid(2)). Raises StackctlError where it cannot."""
    library, user = ctypes.CDLL(None), pwd.getpwnam(account).pw_uid
    before = library.setfsuid(user)
    try:
        if library.setfsuid(user) != user:
            raise StackctlError(f"only root may open files as {account}.")
        yield
    finally:
        library.setfsuid(before)


def complaint(unit: str, since: float) -> str:
    """What a unit's processes said since a time in seconds since 1970: warnings and worse, else
    their last words, else how systemd saw the last one end."""
    own = f"_SYSTEMD_UNIT={unit}"
    warnings = _journal(since, own, "--priority=warning")[:4]
    said = warnings or _journal(since, own)[-4:]
    return "\n".join(said) or last_end(unit, since) or f"it does not run; see journalctl -u {unit}"


def last_end(unit: str, since: float) -> str:
    """How systemd saw a unit's last process end since then; empty when none did."""
    return "".join(_journal(since, f"UNIT={unit}", "--grep=Main process exited")[-1:])


def _journal(since: float, *words: str) -> list[str]:
    asked = ["journalctl", *words, f"--since=@{int(since)}", "--output=cat", "--no-pager"]
    return [
        line
        for line in run(*asked).stdout.splitlines()
        if not line.startswith(("Failed to attach", "-- "))
    ]


def planned_files(directory: Path, unit_file: Path) -> dict[str, bytes]:
    """What is to be in force: the files of a directory, and the text of the unit that runs with
    them."""
    return {**safe.contents(directory), "unit": safe.read(unit_file)}


def fill(directory: Path, files: dict[str, bytes], closed: bool = False) -> None:
    """Make `files` the contents of a directory, each complete before it is there; `closed`: for
    root alone."""
    safe.make_directory(directory, 0o700 if closed else 0o755)
    for name, content in files.items():
        safe.write(directory / name, content, 0o600 if closed else 0o644)
    for path in directory.iterdir():
        if path.name not in files:
            safe.remove(path)


def length(log: Path) -> int:
    """Bytes of a log; 0 when there is none. Its directory is its server's, which may have put
    anything there."""
    with suppress(OSError, safe.UnsafePath), safe.file(log) as opened:
        return os.fstat(opened.fileno()).st_size
    return 0


def since(log: Path, written: int) -> list[str]:
    """Lines of a log after its first `written` bytes, or all when it is shorter; at most the last
    of them."""
    try:
        with safe.file(log) as opened:
            now = os.fstat(opened.fileno()).st_size
            opened.seek(max(written if written <= now else 0, now - safe.LIMIT))
            return opened.read(safe.LIMIT).decode(errors="replace").splitlines()
    except (OSError, safe.UnsafePath) as error:
        return [str(error)]


def wait(condition: Callable[[], bool], seconds: float, pause: float = 0.1) -> bool:
    """Whether `condition` came true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
    return True


@contextmanager
def exclusive_lock(
    run_directory: Path, name: str = "lock", seconds: float = LOCK_SECONDS
) -> Iterator[None]:
    """One stackctl at a time; the lock ends with the process. Raises StackctlError when it is not
    free in so many seconds."""
    run_directory.mkdir(mode=0o755, exist_ok=True)
    handle = os.open(run_directory / name, os.O_RDWR | os.O_CREAT, 0o600)

    if not lock.acquired(handle, seconds):
        os.close(handle)
        raise StackctlError(
            f"another stackctl is working on this host, and did not end within {seconds:g} s. "
            "Let it "
            f"end first."
        )
    try:
        yield
    finally:
        os.close(handle)
