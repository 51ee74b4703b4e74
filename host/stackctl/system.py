"""The host: programs, units, files, and how a failure is told."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from . import safe
from .safe import Refused

Done = subprocess.CompletedProcess[str]
RUN = Path("/run/stack")
UNITS = Path("/etc/systemd/system")
GONE = " (deleted)"
END_SECONDS = 5
"""for a program that was told to end"""
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
    """End a program and what it has started: nobody's terminal does."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(END_SECONDS)
            return


def require(*command: str, account: str = "", text: str | None = None) -> str:
    """What a program printed. Raises Refused with its last words when it failed."""
    done = run(*command, account=account, text=text)
    if done.returncode:
        raise Refused(f"{Path(command[0]).name}: {last_words(done)}")
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
    """Whether it starts at boot."""
    return run("systemctl", "is-enabled", "--quiet", unit).returncode == 0


def start(unit: str) -> None:
    """Start it. Raises Refused with what it wrote."""
    since = time.time()
    if run("systemctl", "start", unit).returncode:
        raise Refused(complaint(unit, since))


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


def renice(process: int, niceness: int) -> None:
    """Set the niceness of a process and of all below it, which those that it starts later
    inherit."""
    for found in _family(process):
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, found, niceness)


def is_quiet(process: int, seconds: float) -> bool:
    """Whether it and all below it leave the processors alone for so long."""
    before = _family(process)
    time.sleep(seconds)
    return _family(process) == before


def _family(process: int) -> dict[int, int]:
    """It and all processes below it, each with the ticks of processor time that it has used
    (proc(5))."""
    ticks: dict[int, int] = {}
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = entry.read_text().rpartition(") ")[2].split()
            number = int(entry.parent.name)
            ticks[number] = int(fields[11]) + int(fields[12])
            children.setdefault(int(fields[1]), []).append(number)
    found, waiting = {}, [process]
    while waiting:
        number = waiting.pop()
        found[number] = ticks.get(number, 0)
        waiting += children.get(number, [])
    return found


def stopped(unit: str) -> list[int]:
    """Processes of a unit that a signal has stopped; a debugger's have another state
    (proc_pid_stat(5))."""
    found = []
    process = main_process(unit)
    for number in _family(process) if process else ():
        with suppress(OSError):
            if Path(f"/proc/{number}/stat").read_text().rpartition(") ")[2].startswith("T"):
                found.append(number)
    return found


def main_process(unit: str) -> int:
    """Number of a unit's main process; 0 when it does not run."""
    return int(require("systemctl", "show", "--property=MainPID", "--value", unit))


def gone(process: int) -> list[str]:
    """Files below /usr that it and all below it run and that are not there any more
    (proc_pid_maps(5))."""
    found = set()
    for number in _family(process) if process else ():
        with suppress(OSError):
            lines = (
                line.split(maxsplit=5)
                for line in Path(f"/proc/{number}/maps").read_text().splitlines()
            )
            found |= {
                line[5]
                for line in lines
                if len(line) > 5 and "x" in line[1] and line[5].startswith("/usr/")
            }
    return sorted(path.removesuffix(GONE) for path in found if path.endswith(GONE))


def complaint(unit: str, since: float) -> str:
    """What a unit's processes said since a time in seconds since 1970: warnings and worse, else
    their last words."""
    for more in (["--priority=warning"], []):
        asked = [
            "journalctl",
            f"_SYSTEMD_UNIT={unit}",
            f"--since=@{int(since)}",
            "--output=cat",
            "--no-pager",
            *more,
        ]
        lines = [
            line
            for line in run(*asked).stdout.splitlines()
            if not line.startswith(("Failed to attach", "-- "))
        ]
        if lines:
            return "\n".join(lines[:4] if more else lines[-4:])
    return f"it does not run; see journalctl -u {unit}"


def wanted(directory: Path, unit_file: Path) -> dict[str, bytes]:
    """What is to be in force: the files of a directory, and the text of the unit that runs with
    them."""
    return {**safe.contents(directory), "unit": safe.read(unit_file)}


def fill(directory: Path, files: dict[str, bytes]) -> None:
    """Make `files` the contents of a directory, each complete before it is there."""
    safe.make_directory(directory)
    for name, content in files.items():
        safe.write(directory / name, content)
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
def alone(name: str = "lock", seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """One stackctl at a time; the lock ends with the process. Raises Refused when it is not free in
    so many seconds."""
    RUN.mkdir(mode=0o755, exist_ok=True)
    handle = os.open(RUN / name, os.O_RDWR | os.O_CREAT, 0o600)

    def taken() -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    if not wait(taken, seconds):
        os.close(handle)
        raise Refused(
            f"another stackctl works on this host, and did not end within {seconds:g} s. Let it "
            f"end first."
        )
    try:
        yield
    finally:
        os.close(handle)
