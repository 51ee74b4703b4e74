"""Which alerts a host's exporter has seen fire: it judges by the rules of observability/alerts.yml
and keeps an hour (pgstack.metrics.board)."""

from __future__ import annotations

import json

from systemd_host import SystemdHost

FIGURES = """
import http.client, socket
asked = http.client.HTTPConnection("localhost")
asked.sock = socket.socket(socket.AF_UNIX)
asked.sock.connect("/run/stack/metrics/metrics.sock")
asked.request("GET", "/figures.json")
print(asked.getresponse().read().decode())
"""


def raised(host: SystemdHost, since: float = 0) -> set[str]:
    """Their names, since then in seconds since 1970."""
    marks = json.loads(host.run("python3", "-c", FIGURES).stdout)["marks"]
    return {m["text"] for m in marks if m["kind"] == "alert" and m["time"] >= since}
