"""The demo as a steady load sees it: pages and transfers, on new and on kept connections."""

from __future__ import annotations

import asyncio
import json
import random
import ssl
import time
import uuid
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from loadtest.lab.generator.job import PARTS
from pgstack.errors import TargetError

READS = ("/db", "/db", "/fortunes")
"""three reads for one write"""
PATIENCE_SECONDS = 60.0
"""for one answer: above all limits of the stack"""
IDLE_SECONDS = 3.0
"""a kept connection is not used again so long after its last request was sent: the server closes it
5 s after its answer (KeepAliveTimeout), which a busy client may have read late"""
APPLIED, REFUSED = 201, 409
"""a transfer, and one that the account cannot pay: answers like any other"""


@dataclass(frozen=True)
class Answer:
    """One request: seconds on the monotonic clock when it was due, seconds until it was answered,
    why it failed."""

    due: float
    seconds: float
    reason: str | None


@dataclass
class Site:
    """The demo behind one address, asked by one process."""

    url: str
    host: str
    """Host header"""
    page: str = ""
    """asked alone, without a write; else the mix"""
    seed: int = 1
    answers: list[Answer] = field(default_factory=list)
    acknowledged: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        self.address, self.tls = str(parts.hostname), parts.scheme == "https"
        self.port = parts.port or (443 if self.tls else 80)
        self.name = str(urlsplit(f"//{self.host}").hostname)
        self.kept: deque[tuple[float, asyncio.StreamReader, asyncio.StreamWriter]] = deque()
        self.draw = random.Random(self.seed)
        self.accounts: list[int] = []

    async def prepare(self) -> None:
        """Learn between which accounts money may go, where it writes. Raises TargetError when the
        site does not answer."""
        try:
            _, body = await self._ask("GET", self.page or "/ledger/accounts", new=True)
        except (OSError, EOFError, ValueError) as error:
            raise TargetError(
                f"{self.url}: {error or type(error).__name__}. Is the stack up?"
            ) from None
        if not self.page:
            self.accounts = [account["id"] for account in json.loads(body)["accounts"]]

    async def send(self, due: float) -> None:
        """One request of the mix, recorded."""
        reason = None
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                reason = await self._one()
        except TimeoutError:
            reason = "no answer"
        except (OSError, EOFError, ValueError) as error:
            reason = str(error) or type(error).__name__
        self.answers.append(Answer(due, time.monotonic() - due, reason))

    async def _one(self) -> str | None:
        new = self.draw.random() < 0.5
        if not self.page and self.draw.random() < 1 / (len(READS) + 1):
            return await self._write(new)
        page = self.page or self.draw.choice(READS)
        status, body = await self._ask("GET", page, new)
        if status != 200:
            return f"status {status}"
        return (
            None
            if all(part.encode() in body for part in PARTS.get(page, ()))
            else "unexpected body"
        )

    async def _write(self, new: bool) -> str | None:
        source, target = self.draw.sample(self.accounts, 2)
        key = str(uuid.uuid4())
        order = json.dumps(
            {"source": source, "target": target, "amount": self.draw.randint(1, 20)}
        ).encode()
        status, body = await self._ask("POST", "/ledger/transfers", new, order, key)
        if status == APPLIED and json.loads(body)["key"] == key:
            self.acknowledged.append(key)
            return None
        return None if status == REFUSED else f"status {status}"

    async def missing(self) -> tuple[str, ...]:
        """Keys of acknowledged writes that the ledger does not know."""
        lost = []
        for key in self.acknowledged:
            status, _ = await self._ask("GET", f"/ledger/transfers/{key}", new=False)
            if status != 200:
                lost.append(key)
        return tuple(lost)

    async def close(self) -> None:
        """Close what is kept open."""
        for _, _, writer in self.kept:
            await _close(writer)
        self.kept.clear()

    async def _ask(
        self, method: str, path: str, new: bool, body: bytes = b"", key: str = ""
    ) -> tuple[int, bytes]:
        reader, writer = await self._connection(new)
        asked = time.monotonic()
        head = [
            f"{method} {path} HTTP/1.1",
            f"Host: {self.host}",
            "User-Agent: loadtest",
            "Accept: */*",
        ]
        if body:
            head += [
                "Content-Type: application/json",
                f"Content-Length: {len(body)}",
                f"Idempotency-Key: {key}",
            ]
        if new:
            head.append("Connection: close")
        try:
            writer.write("\r\n".join((*head, "", "")).encode() + body)
            status, keep, content = await _answer(reader)
        except BaseException:
            await _close(writer)
            raise
        if keep and not new:
            self.kept.append((asked, reader, writer))
        else:
            await _close(writer)
        return status, content

    async def _connection(self, new: bool) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self.kept and not new:
            used, reader, writer = self.kept.pop()
            if time.monotonic() - used < IDLE_SECONDS and not reader.at_eof():
                return reader, writer
            await _close(writer)
        if not self.tls:
            return await asyncio.open_connection(self.address, self.port)
        # The stack's certificate is its own; the name says which site of the server is meant.
        context = ssl._create_unverified_context()  # noqa: S323, SLF001
        return await asyncio.open_connection(
            self.address, self.port, ssl=context, server_hostname=self.name
        )


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bool, bytes]:
    """Status, whether the connection stays open, and the whole body. Raises EOFError or
    ValueError."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        raise EOFError(
            "answer not whole" if error.partial else "closed without an answer"
        ) from None
    first, *lines = head.decode("latin-1").split("\r\n")
    fields = {
        name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
    }
    if "content-length" not in fields:
        raise ValueError("answer without a length")
    try:
        body = await reader.readexactly(int(fields["content-length"]))
    except asyncio.IncompleteReadError:
        raise EOFError("answer not whole") from None
    options = {word.strip().lower() for word in fields.get("connection", "").split(",")}
    return int(first.split()[1]), "close" not in options, body
