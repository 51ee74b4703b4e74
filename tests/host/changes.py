"""What is changed on a host that serves: by commands that work, and by typos that are refused."""

from __future__ import annotations

import pytest

from fixtures.releases import CLUSTER

COMMANDS = {
    "apache reload": ("stackctl", "restart", "apache"),
    "pgbouncer restart": ("stackctl", "restart", "pgbouncer"),
    "a log begun anew": ("logrotate", "--force", "/etc/logrotate.d/stack"),
    "pgbouncer package": ("apt-get", "install", "--yes", "--reinstall", "pgbouncer"),
    "postgresql restart": ("systemctl", "restart", CLUSTER),
    "two in a row": (
        "sh",
        "-c",
        f"systemctl restart {CLUSTER}; systemctl restart {CLUSTER}",
    ),
}
CASES = [
    pytest.param(name, marks=pytest.mark.slow if name == "two in a row" else [])
    for name in COMMANDS
]
"""names of these; two restarts in a row are each the one before them"""

TYPOS = {
    "pgbouncer": (
        "pgbouncer/pgbouncer.ini",
        "pool_mode = transaction",
        "pool_mod = transaction",
        "pool_mod",
    ),
    "postgres": ("postgres/pgstack.conf", "wal_compression", "wal_compresion", "wal_compresion"),
    "apache": ("apache/mpm.conf", "KeepAlive On", "KeepAlife On", "line {}"),
}
"""server → file, what it says, what it says wrongly, what the refusal names"""
