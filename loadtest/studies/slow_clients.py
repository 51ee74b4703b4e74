"""Clients that are slow on purpose: what do others notice of them?

    python loadtest/steady.py http://127.0.0.1:8000 --during \\
        "python loadtest/studies/slow_clients.py http://127.0.0.1:8000"

Opens connections to a site on this machine that send a request's body or header bit by bit, or
nothing at all, for `--seconds`; a client that is cut off begins anew. Prints how many were
connected, how often they began anew, and how much of a core all of that took.
"""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import itertools
import resource
import sys
import time
from collections import Counter
from contextlib import suppress
from urllib.parse import urlsplit

PAUSE_SECONDS = 0.5
SLICES = 25
"""of a pause: clients are independent, so no more than this part of them sends at a time"""
ARRIVAL_SECONDS = 5
"""within which they all come, and leave in the end"""
BODY_PIECE = b"x" * 300
"""600 bytes a second, more than MinRate of mod_reqtimeout asks for"""
HEADER_PIECE = b"x"
HEADER = b"GET /plain HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
BODY = b"POST /ledger/transfers HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\n"
KINDS = {"bodies": (BODY, BODY_PIECE), "headers": (HEADER, HEADER_PIECE), "idle": (b"", b"")}
SPARE_FILES = 100


class Client(asyncio.Protocol):
    """One connection; when the server closes it, another one is made."""

    def __init__(self, crowd: Crowd, kind: str) -> None:
        self.crowd, self.kind, self.turn = crowd, kind, next(crowd.turns)
        self.transport = asyncio.Transport()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send what comes first on a new connection."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.crowd.made[self.kind] += 1
        self.crowd.there[self.kind].add(self)
        transport.write(KINDS[self.kind][0])

    def connection_lost(self, error: Exception | None) -> None:
        """Connect anew after the server has closed the connection."""
        self.crowd.there[self.kind].discard(self)
        self.crowd.begin(self.kind)


class Crowd:
    """All clients. One clock sends for all of them, for the clients are not what is measured: a
    timer for each of 2,900 took most of a core."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self.made: Counter[str] = Counter()
        self.there: dict[str, set[Client]] = {kind: set() for kind in KINDS}
        self.turns = itertools.cycle(range(SLICES))
        self.begun: set[asyncio.Task[None]] = set()
        self.over = False

    def begin(self, kind: str, after: float = PAUSE_SECONDS) -> None:
        """Connect one client of this kind, so many seconds from now."""
        if not self.over:
            task = asyncio.create_task(self._connect(kind, after))
            self.begun.add(task)
            task.add_done_callback(self.begun.discard)

    async def _connect(self, kind: str, after: float) -> None:
        await asyncio.sleep(after)
        while not self.over:
            with suppress(OSError):
                await asyncio.get_running_loop().create_connection(
                    lambda: Client(self, kind), self.host, self.port
                )
                return
            await asyncio.sleep(PAUSE_SECONDS)

    def _send(self, turn: int) -> None:
        for kind, (_, piece) in KINDS.items():
            for client in tuple(self.there[kind]) if piece else ():
                if client.turn == turn:
                    client.transport.write(piece)

    async def run(self, wanted: dict[str, int], seconds: float) -> None:
        """Be there for so long."""
        for kind, number in wanted.items():
            for place in range(number):
                self.begin(kind, ARRIVAL_SECONDS * place / number)
        end = time.monotonic() + seconds
        while time.monotonic() < end - ARRIVAL_SECONDS:
            for turn in range(SLICES):
                await asyncio.sleep(PAUSE_SECONDS / SLICES)
                self._send(turn)
        self.over = True
        leaving = [client for kind in KINDS for client in tuple(self.there[kind])]
        for client in leaving:
            client.transport.abort()
            await asyncio.sleep(ARRIVAL_SECONDS / len(leaving))
        await asyncio.gather(*self.begun, return_exceptions=True)


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
    crowd = Crowd(host, port)
    asyncio.run(crowd.run(wanted, given.seconds))
    share = 100 * time.process_time() / given.seconds
    told = [f"{number} {kind}, {crowd.made[kind]} connections" for kind, number in wanted.items()]
    print("; ".join(told) + f"; {share:.0f} % of a core was theirs")


if __name__ == "__main__":
    main()
