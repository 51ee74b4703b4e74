"""Clients that are slow on purpose: what do others notice of them?

    python loadtest/steady.py http://127.0.0.1:8000 --during "python loadtest/slow_clients.py
    http://127.0.0.1:8000"

Opens connections to a site on this machine that send a request's body or header bit by bit, or
nothing at all, for `--seconds`; a client that is cut off begins anew. Prints how many were
connected and how often they began anew.
"""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import resource
import sys
from collections import Counter
from contextlib import suppress
from urllib.parse import urlsplit

PAUSE_SECONDS = 0.5
BODY_PIECE = b"x" * 300
"""600 bytes a second, more than MinRate of mod_reqtimeout asks for"""
HEADER_PIECE = b"x"
HEADER = b"GET /plain HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
BODY = b"POST /ledger/transfers HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\n"
KINDS = {"bodies": (BODY, BODY_PIECE), "headers": (HEADER, HEADER_PIECE), "idle": (b"", b"")}
SPARE_FILES = 100


async def client(kind: str, host: str, port: int, count: Counter[str]) -> None:
    """One client, until it is cancelled."""
    first, piece = KINDS[kind]
    while True:
        with suppress(OSError):
            reader, writer = await asyncio.open_connection(host, port)
            count[kind] += 1
            try:
                writer.write(first)
                while not reader.at_eof():
                    writer.write(piece)
                    await writer.drain()
                    with suppress(TimeoutError):
                        await asyncio.wait_for(reader.read(65536), PAUSE_SECONDS)
            finally:
                writer.transport.abort()
        await asyncio.sleep(PAUSE_SECONDS)


async def attack(host: str, port: int, wanted: dict[str, int], seconds: float) -> Counter[str]:
    """Connections that each kind of client made."""
    count: Counter[str] = Counter()
    tasks = [
        asyncio.create_task(client(kind, host, port, count))
        for kind, number in wanted.items()
        for _ in range(number)
    ]
    await asyncio.sleep(seconds)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return count


def main() -> None:
    """Refuse every address but the loopback one."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("url")
    for kind, number in (("bodies", 300), ("headers", 600), ("idle", 2000)):
        parser.add_argument(
            f"--{kind}", type=int, default=number, help=f"clients of this kind ({number})"
        )
    parser.add_argument("--seconds", type=float, default=40.0)
    given = parser.parse_args()
    where = urlsplit(given.url)
    host, port = where.hostname or "", where.port or 80
    if not ipaddress.ip_address(host).is_loopback:
        sys.exit(
            f"{given.url}: slow clients go to an address of this machine only, such as http://127.0.0.1:8000."
        )
    wanted = {kind: getattr(given, kind) for kind in KINDS}
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(
        resource.RLIMIT_NOFILE, (min(limit, sum(wanted.values()) + SPARE_FILES), limit)
    )
    made = asyncio.run(attack(host, port, wanted, given.seconds))
    print(
        "; ".join(f"{number} {kind}, {made[kind]} connections" for kind, number in wanted.items())
    )


if __name__ == "__main__":
    main()
