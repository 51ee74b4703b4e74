#!/usr/bin/python3 -IS
"""Health check of the container `metrics`: whether the exporter answers, where the plan has one.

It asks for a page that there is not: to answer with every figure takes longer. It runs every half
minute with little of the processor, so it imports little.
"""

import json
import os
import signal
import socket
import sys

PLAN = os.environ.get("STACK_PLAN", "/etc/stack/plan.json")
INTERFACES = "/sys/class/net"
EXPORTER = 1
SECONDS = 4


def require_network() -> None:
    """End the exporter where it does not reach Apache any more, as healthcheck.py ends Apache: it
    is started again in the network that is there."""
    if os.listdir(INTERFACES) == ["lo"]:  # noqa: PTH208 - pathlib would be one import more
        os.kill(EXPORTER, signal.SIGTERM)
        sys.exit("the container `port` was started anew: this one is, too")


def main() -> None:
    """Ask."""
    require_network()
    with open(PLAN, encoding="utf-8") as file:  # noqa: PTH123 - as in healthcheck.py
        metrics = json.load(file)["metrics"]
    if metrics is None:
        return
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(SECONDS)
            client.connect(metrics["socket"])
            client.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
            answer = client.recv(64)
    except OSError as error:
        sys.exit(f"exporter: {error}")
    if not answer.startswith(b"HTTP/1.0 404"):
        sys.exit(f"exporter: {answer!r}")


if __name__ == "__main__":
    main()
