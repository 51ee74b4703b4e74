"""Rendering after a run that was killed between two steps."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
WRITE = """
from pathlib import Path
from pgstack.rendering.file import File
from pgstack.ops.rendered import write
write([File(Path('key'), 'new', 0o440)])
"""


def test_a_read_only_file_that_a_killed_run_left_is_no_obstacle() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as directory:
        left = Path(directory, ".key.new")
        left.write_text("half of it")
        left.chmod(0o440)
        other = {}
        if os.geteuid() == 0:  # root may write to everything
            other = {"user": "nobody", "group": "nogroup", "extra_groups": []}
            for path in (directory, left):
                os.chown(path, 65534, 65534)
        command = [sys.executable, "-c", WRITE]
        environment = {"PYTHONPATH": str(CHECKOUT / "app"), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            command,
            cwd=directory,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            **other,
        )  # type: ignore[call-overload]
        assert done.returncode == 0, done.stderr
        assert Path(directory, "key").read_text() == "new"
        assert not left.exists()
