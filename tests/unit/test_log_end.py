"""What a message shows of a server's log when a start fails."""

from __future__ import annotations

from pathlib import Path

from pgstack.targets.failure import log_end

THREADS = "AH03104: ap_thread_create: unable to create worker thread"
REMEDY = (
    "This machine, container or account has no more threads to give: stop what else runs, or raise "
    "the least of pids.max, ulimit -u, kernel.threads-max and kernel.pid_max."
)


def test_the_last_lines_are_shown(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("a\nb\nc\n")
    assert log_end(log, 2) == "b\nc"
    assert log_end(tmp_path / "missing") == ""


def test_threads_that_cannot_be_made_are_explained(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(f"{THREADS}\nhttpd is exiting!\n")
    assert log_end(log, 1) == f"httpd is exiting!\n{REMEDY}"


def test_those_of_an_earlier_start_are_not(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("\n".join([THREADS, *20 * ["later"]]))
    assert log_end(log, 1) == "later"


def test_neither_refused_connections_nor_another_start_push_the_reason_out(tmp_path: Path) -> None:
    log = tmp_path / "postgres.log"
    reason = "2026-11-28 18:42:40 UTC [3525] PANIC:  could not locate a valid checkpoint record"
    start = [f"2026-11-28 18:42:41 UTC [3521] LOG:  line {number}" for number in range(7)]
    refusal = "2026-11-28 18:42:41 UTC [3528] app@app FATAL:  the database system is starting up"
    log.write_text("\n".join([reason, *start, *9 * [refusal]]))
    assert log_end(log, 3).splitlines() == [reason, *start[-2:]]
