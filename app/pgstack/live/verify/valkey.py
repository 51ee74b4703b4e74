"""Checks of Valkey: that it runs what was planned, and whom it lets do what."""

from __future__ import annotations

import stat
from pathlib import Path

from pgstack.errors import ProbeError
from pgstack.live.probes import valkey
from pgstack.live.verify.finding import Outcome, judge
from pgstack.live.verify.live import Live
from pgstack.planning import targets
from pgstack.planning.valkey import CACHE, Valkey

MB = 1024**2
CLOSED = ("CONFIG GET maxmemory", "ACL LIST", "MODULE LIST", "SLOWLOG LEN")
"""some of what no client may ask for, none of which changes anything"""
MODE, OTHERS = 0o770, 0o007
PROBE = "stack_verify"


def settings(live: Live) -> Outcome:
    """It says of itself what was planned, listens on no port, and has its file in order."""
    part = _part(live)
    info = valkey.info(part)
    wrong = [
        f"{name}: planned {wanted!r}, live {got!r}"
        for name, (wanted, got) in valkey.differences(part, info).items()
    ]
    wrong += valkey.ailments(info)
    name = info.get("server_name", "redis")
    version = info.get("valkey_version", info.get("redis_version"))
    return judge(
        wrong,
        f"{name} {version}, {int(info.get('used_memory', 0)) // MB} of {part.maxmemory // MB} MB "
        f"used, {part.settings['maxmemory-policy']}, no TCP",
        targets.of(live.plan.target).remedy,
    )


def closed(live: Live) -> Outcome:
    """Its socket is for the planned accounts, the cache keeps what it is given, and no client may
    change the server."""
    part = _part(live)
    socket = Path(part.socket)
    mode = stat.S_IMODE(socket.stat().st_mode)
    wrong = [f"{socket} has mode {mode:o}, planned {MODE:o}"] if mode != MODE else []
    wrong += [f"{socket.parent} is open to others"] if socket.parent.stat().st_mode & OTHERS else []
    with valkey.connected(part, CACHE) as client:
        client.set(PROBE, "1", ex=60)
        wrong += ["the cache forgot what it was given"] if client.getdel(PROBE) != "1" else []
    wrong += [f"a client may {command}" for command in CLOSED if _allowed(part, command)]
    return judge(
        wrong,
        "the cache keeps what it is given; no client may "
        + ", ".join(command.split()[0] for command in CLOSED),
        targets.of(live.plan.target).remedy,
    )


def _allowed(part: Valkey, command: str) -> bool:
    try:
        with valkey.connected(part) as client:
            client.execute_command(*command.split())
    except ProbeError as error:
        if "permission" in str(error):
            return False
        raise
    return True


def _part(live: Live) -> Valkey:
    if live.plan.valkey is None:
        raise ProbeError("no Valkey is planned")
    return live.plan.valkey
