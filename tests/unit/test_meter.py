"""What a web process measures, and how the exporter reads it."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fixtures.metric_rows import values
from pgstack.metrics import web
from pgstack.metrics.model import Counts
from pgstack.serving import measured, meter
from pgstack.serving.current import CURRENT
from pgstack.serving.meter import Meter
from pgstack.serving.watchdog import Watch

ENVIRON = {"mod_wsgi.queue_start": "1700000000000000", "mod_wsgi.daemon_start": "1700000000030000"}
"""30 ms in the queue"""


def read(directory: Path) -> dict[str, Any]:
    plan: Any = SimpleNamespace(metrics=SimpleNamespace(processes=str(directory)))
    return values(web.collect(measured.read(plan), time.time()))


def count(samples: dict[str, Any], name: str) -> list[tuple[str, float]]:
    """Bounds of a histogram that have something more than the one before."""
    buckets, last, seen = samples[name].buckets(), 0.0, []
    for bound, upto in buckets:
        if upto > last:
            seen.append((bound, upto - last))
        last = upto
    return seen


def test_a_request_is_measured_in_every_way(tmp_path: Path) -> None:
    own = meter.opened(tmp_path)
    CURRENT.seconds, CURRENT.statements = 0.002, 7
    own.answered(meter.queued(ENVIRON), 0.004, 0.5, "200 OK")
    own.answered(meter.queued({}), 3, 3, "500 Internal Server Error")
    own.gave_up(12)
    own.look(3)
    samples = read(tmp_path)
    assert samples["wsgi_processes"] == 1
    assert samples["wsgi_busy_threads"] == 3
    assert samples["wsgi_process_starts_total"] == 1
    assert samples["wsgi_thread_seconds_total"] == 3.5
    assert samples["wsgi_late_requests_total"] == 1
    assert samples["wsgi_responses_total{class=2xx}"] == 1
    assert samples["wsgi_responses_total{class=5xx}"] == 1
    assert count(samples, "wsgi_queue_seconds") == [("0.001", 1), ("0.05", 1), ("30", 1)]
    assert count(samples, "wsgi_application_seconds") == [("0.005", 1), ("5", 1)]
    assert count(samples, "wsgi_database_seconds") == [("0.0025", 2)]
    assert count(samples, "wsgi_statements") == [("10", 2)]
    assert samples["wsgi_queue_seconds"].sum == pytest.approx(12.03)
    assert samples["wsgi_process_memory_bytes{process=0}"] > 1024**2
    assert samples["wsgi_process_silent_seconds{process=0}"] < 5


def test_what_was_counted_stays_when_processes_change(tmp_path: Path) -> None:
    """A successor goes on with the file of one that ended, and never with that of a living one."""
    script = (
        "import sys, time; from pathlib import Path; from pgstack.serving import meter; "
        "own = meter.opened(Path(sys.argv[1])); own.answered(0, 1, 1, '200 OK'); "
        "own.look(1); print('ready', flush=True); time.sleep(60)"
    )
    app = str(Path(meter.__file__).parents[2])

    def start() -> subprocess.Popen[str]:
        words = [sys.executable, "-c", script, str(tmp_path)]
        started = subprocess.Popen(
            words, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": app}
        )
        assert started.stdout
        assert started.stdout.readline() == "ready\n"
        return started

    def end(process: subprocess.Popen[str]) -> None:
        process.kill()
        process.communicate()

    first, second = start(), start()
    assert read(tmp_path)["wsgi_processes"] == 2
    end(first)
    gone = read(tmp_path)
    assert (gone["wsgi_processes"], gone["wsgi_busy_threads"]) == (1, 1)
    assert gone["wsgi_responses_total{class=2xx}"] == 2
    third = start()
    samples = read(tmp_path)
    end(second)
    end(third)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["process-0", "process-1"]
    assert samples["wsgi_processes"] == 2
    assert samples["wsgi_process_starts_total"] == 3
    assert samples["wsgi_responses_total{class=2xx}"] == 3


def test_threads_lose_no_count(tmp_path: Path) -> None:
    """Two of them count meanwhile."""
    own, over = meter.opened(tmp_path), threading.Event()

    def count_on() -> None:
        while not over.is_set():
            own.count()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [
            threading.Thread(
                target=lambda: [own.answered(0, 0.1, 0.1, "200 OK") for _ in range(2000)]
            )
            for _ in range(4)
        ]
        counting = [threading.Thread(target=count_on) for _ in range(2)]
        for thread in (*threads, *counting):
            thread.start()
        for thread in threads:
            thread.join()
        over.set()
        for thread in counting:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    own.count()
    samples = read(tmp_path)
    assert samples["wsgi_responses_total{class=2xx}"] == 8000
    assert isinstance(samples["wsgi_queue_seconds"], Counts)
    assert sum(samples["wsgi_queue_seconds"].counts) == 8000


def test_another_layout_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "process-0").write_bytes(os.urandom(100))
    (tmp_path / "process-1").write_bytes(bytes(meter.SIZE))
    with (tmp_path / "process-1").open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        own = meter.opened(tmp_path)
        own.answered(0, 1, 1, "200 OK")
        own.count()
        assert read(tmp_path)["wsgi_responses_total{class=2xx}"] == 1


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "made",
    [
        lambda path: path.write_bytes(os.urandom(meter.SIZE)),
        lambda path: path.write_bytes(b"short"),
        lambda path: path.write_bytes(struct.pack("d", meter.VERSION) + b"\xff" * (meter.SIZE - 8)),
        lambda path: path.symlink_to(path.with_name("process-0")),
        lambda path: path.symlink_to("/dev/zero"),
        lambda path: path.mkdir(),
        os.mkfifo,
    ],
    ids=["noise", "short", "no numbers", "link", "device", "directory", "pipe"],
)
def test_what_a_page_may_leave_there_is_passed_over(
    tmp_path: Path, made: Callable[[Path], object]
) -> None:
    own = meter.opened(tmp_path)
    own.answered(0, 1, 1, "200 OK")
    own.count()
    made(tmp_path / "process-1")
    assert read(tmp_path)["wsgi_responses_total{class=2xx}"] == 1


def test_each_lane_has_files_and_samples_of_its_own(tmp_path: Path) -> None:
    for group in ("process", "lane-slow", "lane-slow-2"):
        own = meter.opened(tmp_path, group)
        own.answered(0, 0.004, 0.5, "200 OK")
        own.count()
    own = meter.opened(tmp_path, "lane-slow")
    own.answered(0, 3, 3, "500 Internal Server Error")
    own.count()
    samples = read(tmp_path)
    assert samples["wsgi_processes"] == 1
    assert samples["wsgi_processes{lane=slow}"] == 2
    assert samples["wsgi_processes{lane=slow-2}"] == 1
    assert samples["wsgi_responses_total{class=2xx}"] == 1
    assert samples["wsgi_responses_total{class=5xx,lane=slow}"] == 1
    assert count(samples, "wsgi_application_seconds{lane=slow}") == [("0.005", 1), ("5", 1)]


def test_a_full_disk_or_no_directory_ends_no_process(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    plan: Any = SimpleNamespace(metrics=SimpleNamespace(processes=str(tmp_path / "none")), lanes=())
    assert meter.of(plan) is None
    assert "No such file or directory. This process measures nothing." in capsys.readouterr().err
    descriptors = Path("/proc/self/fd")
    before = len(list(descriptors.iterdir()))
    plan.metrics.processes = str(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(os, "posix_fallocate", full)
        assert meter.of(plan) is None
    assert "No space left on device" in capsys.readouterr().err
    assert len(list(descriptors.iterdir())) == before
    assert meter.of(plan) is not None
    assert meter.of(SimpleNamespace(metrics=None)) is None  # type: ignore[arg-type]


class Recorder(Meter):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[float, float, str]] = []

    def answered(self, queue: float, worked: float, held: float, status: str) -> None:
        self.told.append((worked, held, status))

    def look(self, busy: int) -> None:
        pass


def test_a_slow_reader_is_not_the_applications_time() -> None:
    def application(environ: dict[str, Any], start: Any) -> Any:
        start("200 OK", [])

        def pieces() -> Any:
            for _ in range(2):
                time.sleep(0.05)
                yield b"x"

        return pieces()

    recorder = Recorder()
    answer: Any = Watch(application, 30, None, recorder)({}, lambda *_: None)
    for _ in answer:
        time.sleep(0.2)
    answer.close()
    ((worked, held, status),) = recorder.told
    assert 0.1 <= worked < 0.2
    assert 0.5 <= held < 1
    assert status == "200 OK"


def test_what_was_measured_comes_before_what_the_project_says_of_it() -> None:
    def application(environ: dict[str, Any], start: Any) -> Any:
        start("200 OK", [("X-Stack-Measured", "forged")])
        return []

    sent: list[Any] = []
    watch = Watch(application, 30, None, Recorder(), tells=True)
    watch({}, lambda *answer: sent.extend(answer[1]))
    assert [name for name, _ in sent] == ["X-Stack-Measured"] * 2
    assert re.fullmatch(r"0,\d+,0,0", sent[0][1])


def test_a_request_that_fails_counts_once() -> None:
    def application(environ: dict[str, Any], start: Any) -> Any:
        raise LookupError

    recorder = Recorder()
    with pytest.raises(LookupError):
        Watch(application, 30, None, recorder)({}, lambda *_: None)
    assert [status for _, _, status in recorder.told] == [""]
