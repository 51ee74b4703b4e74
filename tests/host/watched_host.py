"""A host's own view of what watches it: its ports, its firewall, what Prometheus answers there."""

from __future__ import annotations

import json
import re
import threading
from typing import Any

from docker_engine import docker
from systemd_host import SystemdHost

from fixtures.receivers import wait


def give(host: SystemdHost, text: str, path: str) -> None:
    """Write a file that only its owner reads."""
    write = ("sh", "-c", f"umask 077; cat > {path}")
    docker("exec", "-i", host.container, *write, text=text)


def ruleset(host: SystemdHost) -> str:
    """What the firewall lets in, without its counters."""
    return re.sub(r"packets \d+ bytes \d+", "", host.run("nft", "list", "ruleset").stdout)


def asked(host: SystemdHost, path: str) -> Any:
    """What Prometheus answers on the host."""
    code = f"import urllib.request as r; print(r.urlopen('http://127.0.0.1:9090{path}').read().decode())"
    return json.loads(host.run("python3", "-c", code).stdout)["data"]


def listening(host: SystemdHost) -> set[tuple[str, int]]:
    """Addresses and ports of TCP, and of UDP, beside which nothing of the stack is."""
    text = host.run(
        "sh", "-c", "cat /proc/net/tcp /proc/net/tcp6 /proc/net/udp /proc/net/udp6"
    ).stdout
    sockets = re.findall(r"^ *\d+: (\w+):(\w{4}) \w+:0000 (?:0A|07) ", text, re.MULTILINE)
    return {(address, int(port, 16)) for address, port in sockets}


def firing(host: SystemdHost) -> set[str]:
    """Names of alerts, as Prometheus has them."""
    alerts = asked(host, "/api/v1/alerts")["alerts"]
    return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}


def visit(host: SystemdHost, over: threading.Event) -> list[str]:
    """Ask for a page that reads the database three times a second; what failed."""
    failed = []
    while not over.wait(0.3):
        try:
            host.page("/db")
        except OSError as error:
            failed.append(str(error))
    return failed


def verified(host: SystemdHost) -> dict[str, Any]:
    """What verify says of them."""
    rows = json.loads(host.run("stack-manage", "stack_verify", "--json", check=False).stdout)
    (row,) = [row for row in rows if row["check"] == "Prometheus watches everything"]
    return dict(row)


def restart(host: SystemdHost) -> None:
    """Prometheus, with the drop-ins that there are."""
    host.run("systemctl", "daemon-reload")
    host.run("systemctl", "restart", "prometheus")

    def ready() -> bool:
        code = "import urllib.request as r; r.urlopen('http://127.0.0.1:9090/-/ready')"
        return host.run("python3", "-c", code, check=False).returncode == 0

    wait(ready, 60, "ready Prometheus")
