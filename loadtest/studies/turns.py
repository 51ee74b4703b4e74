"""Turns in which a running stack is asked for one page at a steady rate: what its visitors
noticed."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from loadtest import steady
from loadtest.steady_site import Site

CAPACITY_SECONDS = 4


@dataclass(frozen=True)
class Turn:
    """What visitors noticed."""

    p99: float
    """of the time from when a request was due, in ms"""
    failed: int

    def __str__(self) -> str:
        return f"{self.p99:.1f}" + (f" ({self.failed} failed)" if self.failed else "")


def usual_rate(url: str, page: str) -> float:
    """Requests/s: the share of what it can take that tests of a steady load ask for."""
    return steady.SHARE * asyncio.run(_capacity(_site(url, page)))


def take(url: str, page: str, rate: float, seconds: float) -> Turn:
    """One turn at so many requests/s."""
    return asyncio.run(_ask(_site(url, page), rate, seconds))


def _site(url: str, page: str) -> Site:
    return Site(url, urlsplit(url).netloc, page)


async def _capacity(site: Site) -> float:
    rate = await steady.capacity(site, CAPACITY_SECONDS)
    await site.close()
    return rate


async def _ask(site: Site, rate: float, seconds: float) -> Turn:
    began = time.monotonic()
    async with asyncio.TaskGroup() as requests:
        for number in range(int(rate * seconds)):
            due = began + number / rate
            await asyncio.sleep(max(0, due - time.monotonic()))
            requests.create_task(site.send(due))
    await site.close()
    failed = sum(bool(answer.reason) for answer in site.answers)
    return Turn(1000 * steady.percentile(site.answers, 0.99), failed)
