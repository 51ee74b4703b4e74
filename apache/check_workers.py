#!/usr/bin/python3 -IS
"""Health check of the container `background`: whether each worker that the plan names runs, and
what begins its scheduled commands.

The exit status is 1, with those that do not, otherwise 0. It runs every half minute with little of
the processor, so it imports little.
"""

import http.client
import json
import os
import socket
import sys
import xmlrpc.client
from typing import Any, cast

PLAN = os.environ.get("STACK_PLAN", "/etc/stack/plan.json")
SECONDS = 4
STARTED_SECONDS = 2
"""as pgstack.live.probes.supervisord has it"""


class Connection(http.client.HTTPConnection):
    """To supervisord's socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=SECONDS)
        self.path = path

    def connect(self) -> None:
        """As HTTPConnection does."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(SECONDS)
        self.sock.connect(self.path)


def programs(path: str) -> list[dict[str, Any]]:
    """What supervisord says of each."""
    connection = Connection(path)
    body = xmlrpc.client.dumps((), "supervisor.getAllProcessInfo")
    connection.request("POST", "/RPC2", body, {"Content-Type": "text/xml"})
    (rows,), _ = xmlrpc.client.loads(connection.getresponse().read())
    return cast("list[dict[str, Any]]", rows)


def runs(row: dict[str, Any]) -> bool:
    """Whether this program has started and not ended."""
    state, began = row["statename"], row["now"] - row["start"]
    return bool(state == "RUNNING" or (state == "STARTING" and began >= STARTED_SECONDS))


def main() -> None:
    """Ask supervisord, where anything is to run."""
    with open(PLAN, encoding="utf-8") as file:  # noqa: PTH123 - as in healthcheck.py
        plan = json.load(file)
    if not (plan["workers"] or plan["schedule"]):
        return
    try:
        rows = programs(f"{plan['paths']['run_workers']}/supervisor.sock")
    except (OSError, http.client.HTTPException) as error:
        sys.exit(f"supervisord: {error}")
    if wrong := [f"{row['name']}: {row['statename']}" for row in rows if not runs(row)]:
        sys.exit(f"{', '.join(wrong)}: see its log")


if __name__ == "__main__":
    main()
