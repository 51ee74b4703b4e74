"""Valkey, as cache and broker. Defaults and meanings of its settings: valkey.conf(5), in Debian
/etc/valkey/valkey.conf; in Redis 7 they are the same."""

from __future__ import annotations

from pgstack.planning.databases import Pooler
from pgstack.planning.sizing.basis import Basis, Reasons
from pgstack.planning.sizing.scale import MB, clamp
from pgstack.planning.valkey import Valkey

MEMORY_DIVISOR, MEMORY_MIN_BYTES, MEMORY_MAX_BYTES = 32, 16 * MB, 1024 * MB
"""maxmemory, of cached entries, queues and the buffers of clients"""
COPIES = 2
"""while its file is rewritten a child has the memory as it was, and the parent a copy of each
page that changes meanwhile: all of them at worst"""
BASE_BYTES = 16 * MB
"""an empty one takes 9 MB (docs/measurements.md)"""
CONNECTIONS = 2
"""of each that is a client of PgBouncer's: one to its cache, one to a queue"""
SPARE_DESCRIPTORS = 64
"""it keeps 32 for itself, and has its file, its log and its socket"""
REWRITE_DIVISOR, REWRITE_MIN_BYTES = 4, 4 * MB
"""size at which its file is first rewritten; after that whenever it has doubled"""


def valkey(basis: Basis, pooler: Pooler, patience: int) -> tuple[Valkey | None, Reasons]:
    """Valkey as planned, None where nobody asked for it or another host has it."""
    config, memory = basis.config, basis.scale.memory
    if config.valkey == "off" or "apache" not in config.part.services:
        return None, {}
    most = config.valkey_memory or clamp(
        memory // MEMORY_DIVISOR, MEMORY_MIN_BYTES, MEMORY_MAX_BYTES
    )
    clients = CONNECTIONS * pooler.max_client_conn
    planned = Valkey(
        program=f"/usr/bin/{basis.versions.valkey}",
        socket=f"{basis.paths.run_valkey}/valkey.sock",
        directory=basis.paths.valkey,
        maxmemory=most,
        maxclients=clients,
        file_descriptors=clients + SPARE_DESCRIPTORS,
        patience=patience,
        settings=_settings(basis, most, clients),
    )
    return planned, {
        "valkey.maxmemory": f"STACK_VALKEY_MEMORY={most // MB}m"
        if config.valkey_memory
        else f"memory / {MEMORY_DIVISOR}, {MEMORY_MIN_BYTES // MB} to {MEMORY_MAX_BYTES // MB} MB",
        "valkey.maxclients": f"{CONNECTIONS} x {pooler.max_client_conn} clients of the pooler",
        "memory.valkey": f"{COPIES} x {most // MB} MB maxmemory + {BASE_BYTES // MB} MB",
    }


def valkey_bytes(part: Valkey | None) -> int:
    """Bytes of it, while it rewrites its file."""
    return COPIES * part.maxmemory + BASE_BYTES if part else 0


def _settings(basis: Basis, memory: int, clients: int) -> dict[str, str]:
    """Lines of valkey.conf."""
    settings: dict[str, object] = {
        # A socket and no port: whoever may reach it is said by its directory.
        "port": 0,
        "unixsocket": f"{basis.paths.run_valkey}/valkey.sock",
        "unixsocketperm": "770",
        "dir": basis.paths.valkey,
        "maxclients": clients,
        "maxmemory": memory,
        # Only what has an end of its own is ever dropped, as everything in Django's cache has: a
        # queue has none (docs/decisions/0018).
        "maxmemory-policy": "volatile-lru",
        # Tasks outlive a restart: its file has all but the last second.
        "appendonly": "yes",
        "appendfsync": "everysec",
        "auto-aof-rewrite-percentage": 100,
        "auto-aof-rewrite-min-size": max(REWRITE_MIN_BYTES, memory // REWRITE_DIVISOR),
        "aof-load-truncated": "yes",
        "save": '""',
        "set-proc-title": "no",
        "loglevel": "notice",
        "enable-debug-command": "no",
        "enable-module-command": "no",
        "enable-protected-configs": "no",
    }
    return {name: str(value) for name, value in settings.items()}
