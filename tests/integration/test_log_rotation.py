"""A log that has grown is begun anew while requests are answered, and none is lost; few are kept."""

from __future__ import annotations

import json
from pathlib import Path

from fixtures import steady_load
from fixtures.local_stack import LocalStack
from pgstack.planning import layout
from pgstack.targets import guard

FILLER = json.dumps({"request": "filler"}) + "\n"


def test_no_request_is_lost_while_a_log_is_begun_anew(stack: LocalStack) -> None:
    log = stack.directory / "log/apache-access.log"
    copy = Path(f"{log}.1")

    def rotated() -> None:
        for _ in range(2):
            with log.open("a") as file:
                file.write(FILLER * (layout.LOG_BYTES // len(FILLER) + 1))
            stack.wait_until(lambda: log.stat().st_size < layout.LOG_BYTES, seconds=10)

    steady_load.under_load(f"http://127.0.0.1:{stack.port}", "localhost", rotated)
    for path in (log, copy):
        requests = [json.loads(line)["request"] for line in path.read_text().splitlines()]
        assert any(request != "filler" for request in requests), path


def test_apaches_logs_are_made_small_while_it_writes(stack: LocalStack) -> None:
    for name in ("apache-access.log", "apache-error.log"):
        log = stack.directory / "log" / name
        with log.open("ab") as file:
            file.write(b"filler\n" * (layout.LOG_BYTES // 7 + 1))
        stack.wait_until(lambda: log.stat().st_size < layout.LOG_BYTES, seconds=10)  # noqa: B023 - at once
        assert Path(f"{log}.1").stat().st_size >= layout.LOG_BYTES
    assert stack.answers()
    assert "/readyz" in (stack.directory / "log/apache-access.log").read_text()


def test_a_large_log_is_kept_in_a_bounded_number_of_files(tmp_path: Path) -> None:
    log = tmp_path / "apache-error.log"
    with log.open("a") as writer:
        for round_ in range(7):
            writer.write(f"{round_}\n" * 100)
            writer.flush()
            guard.rotate(log, most=150, kept=2)
        writer.write("end\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        log.name,
        f"{log.name}.1",
        f"{log.name}.2",
    ]
    assert log.read_text() == "end\n"
    assert Path(f"{log}.1").read_text() == "6\n" * 100
    assert Path(f"{log}.2").read_text() == "5\n" * 100
