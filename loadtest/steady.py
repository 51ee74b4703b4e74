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
import math
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(CHECKOUT), str(CHECKOUT / "app")]

from loadtest import inputs, program  # noqa: E402 - the path comes first
from loadtest.lab.generator.schedule import arrivals  # noqa: E402
from loadtest.steady_site import Answer, Site  # noqa: E402
from pgstack.errors import InputError, TargetError  # noqa: E402

SHARE = 0.5
"""of what the site can take"""
CAPACITY_USERS = 16
WARM_SECONDS, USUAL_SECONDS = 1.0, 6.0
"""before the change; the site's capacity is measured for two thirds of the latter, and half of it
follows the change"""
LONGEST_SECONDS = 600.0
"""for the whole: a command that takes longer is not waited for, and the load ends"""
SETTLE_SECONDS = 1.0
"""what a change leaves to be done belongs to it"""


@dataclass(frozen=True)
class Verdict:
    """What a load saw of a change; times in seconds."""

    rate: float
    sent: int
    failed: int
    reasons: dict[str, int]
    between: tuple[float, ...]
    """when the first and the last of them were due, from the beginning of the change"""
    writes: int
    """acknowledged"""
    lost: tuple[str, ...]
    """keys of writes that were acknowledged and are not there"""
    took: float
    usual_p99: float
    during_p99: float
    longest: float

    def __str__(self) -> str:
        reason = ""
        if self.reasons:
            named = (f"{count} x {reason}" for reason, count in self.reasons.items())
            first, last = self.between
            reason = f" ({', '.join(named)}, from {first:.1f} to {last:.1f} s)"
        return (
            f"{self.sent:,} requests at {self.rate:.0f}/s, {self.failed} failed{reason}; "
            f"{self.writes:,} writes, "
            f"{len(self.lost)} lost; p99 {self.usual_p99 * 1000:.0f} ms, "
            f"{self.during_p99 * 1000:.0f} ms during the "
            f"change of {self.took:.1f} s; longest {self.longest * 1000:.0f} ms"
        )


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
    rate = len(site.answers) / seconds
    site.answers.clear()
    return rate


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
    during = [answer for answer in site.answers if start <= answer.due <= end + SETTLE_SECONDS]
    usual = [
        answer
        for answer in site.answers
        if warm <= answer.due < start or answer.due > end + SETTLE_SECONDS
    ]
    failed = [answer for answer in site.answers if answer.reason]
    reasons = Counter(str(answer.reason) for answer in failed)
    due = sorted(answer.due - start for answer in failed)
    return Verdict(
        rate=rate,
        sent=len(site.answers),
        failed=len(failed),
        reasons=dict(reasons),
        between=(due[0], due[-1]) if failed else (),
        writes=len(site.acknowledged),
        lost=lost,
        took=end - start,
        usual_p99=percentile(usual, 0.99),
        during_p99=percentile(during, 0.99),
        longest=max(answer.seconds for answer in site.answers),
    )


def percentile(answers: Sequence[Answer], share: float) -> float:
    """Seconds that `share` of the requests took at most, counted from when they were due; 0 without
    a request."""
    times = sorted(answer.seconds for answer in answers)
    return times[min(len(times) - 1, int(share * len(times)))] if times else 0.0


def observe(
    site: Site,
    change: Callable[[], object],
    rate: float | None = None,
    share: float = SHARE,
    usual: float = USUAL_SECONDS,
    most: float = math.inf,
) -> Verdict:
    """`watch` at `share` of what the site can take, but no more than `most` requests/s; or at
    `rate`. Raises TargetError."""

    async def both() -> Verdict:
        try:
            await site.prepare()
            wanted = rate or min(most, share * await capacity(site, usual * 2 / 3))
            return await watch(site, wanted, change, usual)
        finally:
            await site.close()

    return asyncio.run(both())


def main() -> int:
    """Load a site while a command changes it. Exit status 1 when a request or a write was lost, or
    the command failed; raises InputError."""
    asked = _arguments()
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
        asked.most,
    )
    print(json.dumps(asdict(verdict)) if asked.json else verdict)
    if statuses != [0]:
        print(f"the command ended with status {statuses[0]}")
    return 1 if verdict.failed or verdict.lost or statuses != [0] else 0


def _arguments() -> argparse.Namespace:
    """Raises InputError."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("url", help="scheme, host and port; the loopback address only")
    parser.add_argument(
        "--during",
        required=True,
        help="command that changes something; - takes the end of standard input instead",
    )
    parser.add_argument("--json", action="store_true", help="print the verdict as JSON")
    parser.add_argument(
        "--rate", type=float, help="requests/s; without it, half of what the site can take"
    )
    parser.add_argument(
        "--share", type=float, default=SHARE, help="of what the site can take; unset: half of it"
    )
    parser.add_argument(
        "--most", type=float, default=math.inf, help="requests/s that such a share does not exceed"
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
    return asked


if __name__ == "__main__":
    sys.exit(program.status(main))
