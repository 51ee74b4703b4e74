"""A steady load beside a change: does the change lose a request, or a write that was acknowledged?

    python loadtest/steady.py http://127.0.0.1:8000 --during "make up STACK_THREADS=8"

measures what the site can take, asks for half of it in an open loop, runs the command meanwhile,
and prints how many requests were sent and failed, and the 99th percentile of their time before and
during the command. Half the requests come on new connections, half on kept ones; a quarter are
transfers in the demo's ledger, each looked up at the end. No request is sent again: whatever is not
a whole, expected answer has failed. Exit status 1 when one has.

`--during -` prints a line when the change may begin, and takes the end of its input as the end of
the change.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import ssl
import subprocess
import sys
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

PROJECT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(PROJECT), str(PROJECT / "app")]

from loadtest import inputs, program  # noqa: E402 - the path comes first
from loadtest.lab.generator.job import PARTS  # noqa: E402
from loadtest.lab.generator.schedule import arrivals  # noqa: E402
from pgstack.errors import InputError, TargetError  # noqa: E402

READS = ("/db", "/db", "/fortunes")
"""three reads for one write"""
SHARE = 0.5
"""of what the site can take"""
CAPACITY_USERS = 16
WARM_SECONDS, USUAL_SECONDS = 1.0, 6.0
"""before the change; the site's capacity is measured for two thirds of the latter, and half of it
follows the change"""
LONGEST_SECONDS = 600.0
"""for the whole: a command that takes longer is not waited for, and the load ends"""
PATIENCE_SECONDS = 60.0
"""for one answer: above all limits of the stack"""
IDLE_SECONDS = 3.0
"""a kept connection that nobody used for longer is not used again: the server closes it after 5 s
(KeepAliveTimeout)"""
SETTLE_SECONDS = 1.0
"""what a change leaves to be done belongs to it"""
APPLIED, REFUSED = 201, 409
"""a transfer, and one that the account cannot pay: answers like any other"""


@dataclass(frozen=True)
class Answer:
    """One request: seconds on the monotonic clock when it was due, seconds until it was answered,
    why it failed."""

    due: float
    seconds: float
    reason: str | None


@dataclass(frozen=True)
class Verdict:
    """What a load saw of a change; times in seconds."""

    rate: float
    sent: int
    failed: int
    reasons: dict[str, int]
    writes: int
    """acknowledged"""
    lost: tuple[str, ...]
    """keys of writes that were acknowledged and are not there"""
    took: float
    usual_p99: float
    during_p99: float
    longest: float

    def __str__(self) -> str:
        reason = (
            f" ({', '.join(f'{count} x {reason}' for reason, count in self.reasons.items())})"
            if self.reasons
            else ""
        )
        return (
            f"{self.sent:,} requests at {self.rate:.0f}/s, {self.failed} failed{reason}; "
            f"{self.writes:,} writes, "
            f"{len(self.lost)} lost; p99 {self.usual_p99 * 1000:.0f} ms, "
            f"{self.during_p99 * 1000:.0f} ms during the "
            f"change of {self.took:.1f} s; longest {self.longest * 1000:.0f} ms"
        )


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
        """Learn between which accounts money may go. Raises TargetError when the site does not
        answer."""
        try:
            _, body = await self._ask("GET", "/ledger/accounts", new=True)
        except (OSError, EOFError, ValueError) as error:
            raise TargetError(
                f"{self.url}: {error or type(error).__name__}. Is the stack up?"
            ) from None
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
        found = []
        for key in self.acknowledged:
            status, _ = await self._ask("GET", f"/ledger/transfers/{key}", new=False)
            if status != 200:
                found.append(key)
        return tuple(found)

    async def close(self) -> None:
        """Close what is kept open."""
        for _, _, writer in self.kept:
            await _close(writer)
        self.kept.clear()

    async def _ask(
        self, method: str, path: str, new: bool, body: bytes = b"", key: str = ""
    ) -> tuple[int, bytes]:
        reader, writer = await self._connection(new)
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
            self.kept.append((time.monotonic(), reader, writer))
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


async def capacity(site: Site, seconds: float) -> float:
    """Requests/s that the site answers when so many users ask without a pause. Raises TargetError
    for a failure."""
    end = time.monotonic() + seconds

    async def user() -> None:
        while (now := time.monotonic()) < end:
            await site.send(now)

    await asyncio.gather(*(user() for _ in range(CAPACITY_USERS)))
    failed = [answer.reason for answer in site.answers if answer.reason]
    if failed:
        raise TargetError(
            f"{site.url}: {len(failed)} of {len(site.answers)} requests failed: {failed[0]}."
        )
    found = len(site.answers) / seconds
    site.answers.clear()
    return found


async def watch(site: Site, rate: float, change: Callable[[], object], usual: float) -> Verdict:
    """The load for `usual` seconds before, during and half as long after `change`, which runs in a
    thread of its own.

    Raises what it raises.
    """
    await site.prepare()
    began = time.monotonic()
    going: set[asyncio.Task[None]] = set()
    ends = asyncio.Event()

    async def load() -> None:
        for moment in arrivals(rate, site.seed):
            if (wait := began + moment - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            if ends.is_set() or moment > LONGEST_SECONDS:
                return
            task = asyncio.create_task(site.send(began + moment))
            going.add(task)
            task.add_done_callback(going.discard)

    sender = asyncio.create_task(load())
    await asyncio.sleep(WARM_SECONDS + usual)
    start = time.monotonic()
    try:
        async with asyncio.timeout(LONGEST_SECONDS):
            await asyncio.to_thread(change)
    finally:
        end = time.monotonic()
        await asyncio.sleep(SETTLE_SECONDS + usual / 2)
        ends.set()
        await sender
        await asyncio.gather(*going)
    return _verdict(site, rate, (began + WARM_SECONDS, start, end), await site.missing())


def _verdict(
    site: Site, rate: float, moments: tuple[float, float, float], lost: tuple[str, ...]
) -> Verdict:
    warm, start, end = moments
    during = [one for one in site.answers if start <= one.due <= end + SETTLE_SECONDS]
    usual = [
        one for one in site.answers if warm <= one.due < start or one.due > end + SETTLE_SECONDS
    ]
    reasons = Counter(one.reason for one in site.answers if one.reason)
    return Verdict(
        rate=rate,
        sent=len(site.answers),
        failed=reasons.total(),
        reasons=dict(reasons),
        writes=len(site.acknowledged),
        lost=lost,
        took=end - start,
        usual_p99=percentile(usual, 0.99),
        during_p99=percentile(during, 0.99),
        longest=max(one.seconds for one in site.answers),
    )


def percentile(answers: Sequence[Answer], share: float) -> float:
    """Seconds that `share` of the requests took at most, counted from when they were due; 0 without
    a request."""
    times = sorted(one.seconds for one in answers)
    return times[min(len(times) - 1, int(share * len(times)))] if times else 0.0


def observe(
    site: Site,
    change: Callable[[], object],
    rate: float | None = None,
    share: float = SHARE,
    usual: float = USUAL_SECONDS,
) -> Verdict:
    """`watch` at `share` of what the site can take, or at `rate` requests/s. Raises TargetError."""

    async def both() -> Verdict:
        try:
            await site.prepare()
            wanted = rate or share * await capacity(site, usual * 2 / 3)
            return await watch(site, wanted, change, usual)
        finally:
            await site.close()

    return asyncio.run(both())


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("url", help="scheme, host and port; the loopback address only")
    parser.add_argument(
        "--during",
        required=True,
        help="command that changes something; - for whoever holds our input",
    )
    parser.add_argument("--json", action="store_true", help="print the verdict as JSON")
    parser.add_argument(
        "--rate", type=float, help="requests/s; without it, half of what the site can take"
    )
    parser.add_argument(
        "--share", type=float, default=SHARE, help="of what the site can take; unset: half of it"
    )
    unset = f"seconds before the change; unset: {USUAL_SECONDS:g}"
    parser.add_argument("--usual", type=float, default=USUAL_SECONDS, help=unset)
    parser.add_argument("--host", help="the site's name, where the address does not say it")
    parser.add_argument("--page", default="", help="ask for this page only, and write nothing")
    asked = parser.parse_args()
    if not inputs.is_loopback(asked.url):
        raise InputError(f"{asked.url}: load goes to this host only. Name 127.0.0.1.")
    if not asked.usual >= 1:
        raise InputError(
            f"--usual={asked.usual:g}: too short to tell what is usual. Name 1 s or more."
        )
    statuses: list[int] = []

    def change() -> None:
        if asked.during == "-":
            print("begin", flush=True)
            sys.stdin.read()
            statuses.append(0)
        else:
            statuses.append(subprocess.run(asked.during, shell=True, check=False).returncode)  # noqa: S602 - the user's

    verdict = observe(
        Site(asked.url, asked.host or urlsplit(asked.url).netloc, asked.page),
        change,
        asked.rate,
        asked.share,
        asked.usual,
    )
    print(json.dumps(asdict(verdict)) if asked.json else verdict)
    if statuses != [0]:
        print(f"the command ended with status {statuses[0]}")
    return 1 if verdict.failed or verdict.lost or statuses != [0] else 0


if __name__ == "__main__":
    sys.exit(program.status(main))
