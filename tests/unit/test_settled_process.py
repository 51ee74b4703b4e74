"""What wsgi.py leaves a web process with before its first request."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
LOADED = """
import gc
import config.wsgi
print(gc.get_threshold()[0], gc.get_freeze_count() > 10_000, gc.isenabled())
"""


def test_collector_leaves_out_what_was_loaded_and_starts_later(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED],
        cwd=CHECKOUT / "app",
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "STACK_DIR": str(tmp_path)},
    )
    assert (done.returncode, done.stdout.split()) == (0, ["50000", "True", "True"]), done.stderr
