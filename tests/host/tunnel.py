"""The exporter's port of a host, as an administrator reaches it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from clients import answers
from systemd_host import SystemdHost

from pgstack.ports import free_port

PORT = 8400
SEEN_SECONDS = 15


@contextmanager
def tunnel(host: SystemdHost) -> Iterator[str]:
    """Where the exporter's port is, by SSH as an administrator has it."""
    port, reached = free_port(), host.variables()
    options = [*reached["ansible_ssh_common_args"].split(), "-i", str(host.directory / "key")]
    command = ["ssh", "-N", "-L", f"{port}:127.0.0.1:{PORT}", *options, "-o", "BatchMode=yes"]
    with subprocess.Popen([*command, f"-p{reached['ansible_port']}", "root@127.0.0.1"]) as process:
        try:
            deadline = time.monotonic() + SEEN_SECONDS
            while not answers("127.0.0.1", port):
                assert time.monotonic() < deadline
                time.sleep(0.1)
            yield f"http://localhost:{port}"
        finally:
            process.terminate()
