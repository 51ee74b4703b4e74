"""Writers at every member at once, and one by Django's `direct`: what they were promised, and
whether it holds."""

from __future__ import annotations

import json
import subprocess
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cluster_hosts import Cluster
from history import Write

PROGRAM = Path(__file__).with_name("writer.py").read_text()
ADMIN = """
asked = "host=/run/stack/postgres dbname=app user=postgres options='-c log_min_messages=fatal'"
write({!r}, lambda: psycopg2.connect(asked))
"""
DIRECT = """
from django.db import connections
asked = connections["direct"].get_connection_params()
del asked["cursor_factory"]
write({!r}, lambda: psycopg2.connect(**asked))
"""
TABLE = """
CREATE TABLE IF NOT EXISTS drill_write (writer text, number int, PRIMARY KEY (writer, number));
GRANT SELECT, INSERT ON drill_write TO PUBLIC
"""
END_SECONDS = 10
BY_DIRECT = "direct"


class Writers:
    """Those of one drill."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster, self.drill = cluster, uuid.uuid4().hex[:8]
        self.lines: list[str] = []
        self.names = {host.address(): name for name, host in cluster.members.items()}
        self.started = [self._start(name) for name in (*cluster.members, BY_DIRECT)]

    def _start(self, name: str) -> tuple[subprocess.Popen[str], threading.Thread]:
        writer = f"{name}-{self.drill}"
        if name == BY_DIRECT:
            host, account = self.cluster.web, ["stack-manage", "shell", "-c"]
            program = PROGRAM + DIRECT.format(writer)
        else:
            host = self.cluster.members[name]
            account = ["runuser", "-u", "postgres", "--", "python3", "-c"]
            program = PROGRAM + ADMIN.format(writer)
        process = subprocess.Popen(
            ["docker", "exec", "-i", host.container, *account, program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert process.stdout is not None
        thread = threading.Thread(target=self.lines.extend, args=(process.stdout,), daemon=True)
        thread.start()
        return process, thread

    def end(self) -> None:
        """Have all end."""
        for process, _ in self.started:
            assert process.stdin is not None
            process.stdin.close()
        for process, thread in self.started:
            try:
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
            thread.join(END_SECONDS)
            assert process.stdout is not None
            process.stdout.close()

    def acknowledged(self) -> list[Write]:
        """What members promised; a whole line each."""
        return [self._write(line) for line in self.lines if line.endswith("]\n")]

    def _write(self, line: str) -> Write:
        writer, number, server, timeline, began, ended, alone = json.loads(line)
        member = self.names.get(server) or writer.partition("-")[0]
        return Write(writer, number, member, timeline, began, ended, alone)

    def stored(self) -> set[tuple[str, int]]:
        """What the leader has of it."""
        asked = f"SELECT writer, number FROM drill_write WHERE writer LIKE '%-{self.drill}'"
        rows = (line.split("|") for line in self.cluster.sql(asked).splitlines())
        return {(writer, int(number)) for writer, number in rows}


@contextmanager
def writing(cluster: Cluster) -> Iterator[Writers]:
    """So many meanwhile."""
    cluster.sql(TABLE)
    writers = Writers(cluster)
    try:
        yield writers
    finally:
        writers.end()
