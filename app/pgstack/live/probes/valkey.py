"""What Valkey says of itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pgstack.errors import ProbeError
from pgstack.live.probes import bounded
from pgstack.planning.valkey import BROKER, Valkey

SHOWN_AS = {
    "port": "tcp_port",
    "maxmemory": "maxmemory",
    "maxmemory-policy": "maxmemory_policy",
    "maxclients": "maxclients",
    "appendonly": "aof_enabled",
}
"""what INFO calls a setting; it is what a client may ask, who must not see the others"""
YES_NO = {"yes": "1", "no": "0"}
HEALTHY = {"aof_last_write_status": "ok", "aof_last_bgrewrite_status": "ok", "loading": "0"}


@contextmanager
def connected(part: Valkey, database: int = BROKER) -> Iterator[Any]:
    """A client. Raises ProbeError for whatever comes instead of an answer."""
    try:
        import redis  # it is the project's environment that has it
        from redis.backoff import NoBackoff
        from redis.retry import Retry
    except ImportError:
        raise ProbeError("Valkey: this Python has no redis. `make up` installs it.") from None
    seconds = bounded.WAIT_SECONDS
    try:
        with redis.Redis(
            unix_socket_path=part.socket,
            db=database,
            socket_timeout=seconds,
            socket_connect_timeout=seconds,
            decode_responses=True,
            retry=Retry(NoBackoff(), 0),
        ) as client:
            yield client
    except (redis.RedisError, OSError) as error:
        raise ProbeError(f"Valkey: {error}") from error


def info(part: Valkey) -> dict[str, str]:
    """Valkey's answer to INFO: name → value. Raises ProbeError."""
    with connected(part) as client:
        return {str(name): str(value) for name, value in client.info().items()}


def differences(part: Valkey, live: dict[str, str]) -> dict[str, tuple[str, str]]:
    """Setting → as planned and as it runs, where these differ."""
    planned = {
        shown: YES_NO.get(part.settings[name], part.settings[name])
        for name, shown in SHOWN_AS.items()
    }
    return {
        name: (wanted, live.get(name, "missing"))
        for name, wanted in planned.items()
        if live.get(name) != wanted
    }


def ailments(live: dict[str, str]) -> list[str]:
    """What is wrong with its file, or with its start."""
    return [
        f"{name} is {live.get(name, 'missing')}"
        for name, healthy in HEALTHY.items()
        if live.get(name) != healthy
    ]
