#!/usr/bin/python3
"""What the PgBouncer container runs: makes a directory for its socket, and becomes PgBouncer.

Two containers share a volume while one takes over from the other. Clients find a socket there
through a link. A container that starts while nobody serves leads the link to itself; where another
serves, the link stays until somebody runs `start_pgbouncer.py take-over` in the new one. Needs only
python3-minimal.
"""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

PLAN = Path(os.environ.get("STACK_PLAN", "/etc/stack/plan.json"))
NAMES = ("pooler-a", "pooler-b")
CONSOLE = "pgbouncer"
"""database and login of the console"""


class Places:
    """Where the sockets are, as the plan says."""

    def __init__(self) -> None:
        plan = json.loads(PLAN.read_text(encoding="utf-8"))
        self.link, self.own = (
            Path(plan["paths"][name]) for name in ("run_pooler", "run_pooler_own")
        )
        self.volume = self.link.parent
        self.conf, self.port = plan["paths"]["conf"], plan["pooler"]["port"]
        self.database, self.monitor = plan["postgres"]["database"], plan["pooler"]["monitor_login"]

    def answers(self, name: str) -> bool:
        """Whether somebody listens in the directory of this name."""
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self.volume / name / f".s.PGSQL.{self.port}"))
            except OSError:
                return False
        return True

    def serving(self) -> str:
        """The name that the link leads to; empty while there is none."""
        try:
            return self.link.readlink().name
        except OSError:
            return ""

    def lead_to(self, name: str) -> None:
        """Have clients find the one in the directory of this name, at once."""
        fresh = self.link.with_name(f"{name}.new")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(name)
        fresh.replace(self.link)


def start(places: Places) -> None:
    """Become PgBouncer, in a directory that no other serves in."""
    before = places.serving()
    # The one that it had, where it can: clients need not connect anew.
    free = [
        name for name in sorted(NAMES, key=lambda name: name != before) if not places.answers(name)
    ]
    if not free:
        sys.exit("start_pgbouncer: two PgBouncers run already. Remove one of them first.")
    name = free[0]
    (places.volume / name).mkdir(mode=0o750, exist_ok=True)
    places.own.unlink(missing_ok=True)
    places.own.symlink_to(places.volume / name)
    if before not in NAMES or not places.answers(before):
        places.lead_to(name)
    command = ["pgbouncer", f"{places.conf}/pgbouncer/pgbouncer.ini"]
    os.execvp(command[0], command)  # noqa: S606 - no shell is wanted


def ask(places: Places) -> None:
    """Become a query through this PgBouncer."""
    words = ["psql", "--no-psqlrc", "--quiet", f"--host={places.own}", f"--port={places.port}"]
    words += [f"--username={places.monitor}", f"--dbname={places.database}", "--command=SELECT 1"]
    os.execvp(words[0], words)  # noqa: S606 - no shell is wanted


def resume(places: Places, seconds: int) -> None:
    """Let requests go on after so many seconds, whoever held them back and did not come back."""
    time.sleep(seconds)
    psql = ("psql", "--no-psqlrc", "--quiet", f"--host={places.own}", f"--port={places.port}")
    for words in ("RESUME", f"RESUME {places.database}"):
        command = [*psql, f"--username={CONSOLE}", f"--dbname={CONSOLE}", f"--command={words}"]
        subprocess.run(command, stderr=subprocess.DEVNULL, check=False)


def main() -> None:
    """Start; `take-over`; `serves`, `answers`, which say so by their status; `resume SECONDS`."""
    places = Places()
    if sys.argv[1:] == ["take-over"]:
        places.lead_to(places.own.readlink().name)
    elif sys.argv[1:] == ["serves"]:
        sys.exit(places.own.readlink().name != places.serving())
    elif sys.argv[1:] == ["answers"]:
        ask(places)
    elif sys.argv[1:2] == ["resume"]:
        resume(places, int(sys.argv[2]))
    else:
        start(places)


if __name__ == "__main__":
    main()
