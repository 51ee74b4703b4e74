"""What the exporter of a host tells whoever asks on that host."""

from __future__ import annotations

from systemd_host import SystemdHost

ASK = "from urllib.request import urlopen as ask; print(ask(%r).read().decode())"


def figures(host: SystemdHost, name: str) -> list[float]:
    """Values of the metrics whose names begin so."""
    said = host.run("python3", "-c", ASK % "http://127.0.0.1:8400/metrics").stdout
    return [float(line.split()[-1]) for line in said.splitlines() if line.startswith(name)]
