"""Which account is at the other end of a loopback connection: for an SSH tunnel, whoever logged
in."""

from __future__ import annotations

import grp
import os
import pwd
import socket
import sys
from contextlib import suppress
from pathlib import Path

WATCHERS = "adm"
"""Debian's group of accounts that may read the machine's logs"""
CONNECTIONS = Path("/proc/net/tcp")
"""proc_net(5): a line for each end of a connection, with the number of the account that has it"""
ESTABLISHED = "01"
Address = tuple[str, int]


def account(client: Address, server: Address) -> int | None:
    """Number of the account that holds the client's end of a loopback connection; None once it is
    closed."""
    ends = [_written(client), _written(server)]
    for line in CONNECTIONS.read_text().splitlines()[1:]:
        fields = line.split()
        # An end that its account has closed is shown as root's, in another state.
        if fields[1:4] == [*ends, ESTABLISHED]:
            return int(fields[7])
    return None


def _written(address: Address) -> str:
    host, port = address
    return f"{int.from_bytes(socket.inet_aton(host), sys.byteorder):08X}:{port:04X}"


def is_watcher(number: int | None) -> bool:
    """Whether that is root, or an account that may read the machine's logs anyway."""
    if number:
        with suppress(KeyError):  # no such account, or no such group
            who, group = pwd.getpwuid(number), grp.getgrnam(WATCHERS)
            return group.gr_gid in os.getgrouplist(who.pw_name, who.pw_gid)
    return number == 0
