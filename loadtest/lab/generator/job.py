"""Input and output of the generator: one JSON line in, JSON lines out."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from loadtest.inputs import is_loopback
from loadtest.lab.model import MIX, Load, Page, Record

BUSY = 0.70
"""share of its core; above it the generator, not the stack, may be the limit"""

HEADERS = ("User-Agent: loadtest", "Accept: */*")
"""of each request, besides its host"""
CONNECT_SECONDS = 5.0
KEPT_SECONDS = 2.0
"""that a connection may rest and is used again: what is sent at the moment at which a server closes
it is never answered (RFC 9112, 9.3.1)"""

_WORLD = ('"id"', '"randomNumber"')
PARTS = {
    "/plain": ("Hello, World!",),
    "/json": ('"message"', "Hello, World!"),
    "/db": _WORLD,
    "/queries": _WORLD,
    "/updates": _WORLD,
    "/fortunes": ("Additional fortune added at request time.", "</html>"),
}
"""page of the demo → what its body contains; any other page only has to have a body"""


class Job(Record):
    """Loads on one address, one after another; each starts with a warm-up."""

    url: str = Field(pattern=r"^https?://[^/\s@]+$")
    """scheme, host and port"""
    against: str | None = Field(default=None, pattern=r"^https?://[^/\s@]+$")
    """a second server that gets the same closed load in turns with the first, see `pair`"""
    against_page: str | None = None
    """the page that it is asked for; None: that of the load"""
    against_users: int | None = None
    """by how many; None: as many as the load has"""
    mix: tuple[Page, ...] = ()
    """what a load asks for whose page is MIX"""
    headers: tuple[str, ...] = ()
    """of each request to `url`, besides HEADERS: a session's cookie"""
    against_headers: tuple[str, ...] = ()
    """the same for `against`"""
    host: str | None = Field(default=None, pattern=r"^[!-~]+$")
    """Host header where it is not that of `url`"""
    loads: tuple[Load, ...] = Field(min_length=1)
    warm_min: float = Field(default=2.0, ge=0)
    warm_max: float = Field(default=10.0, ge=0)
    """seconds of warm-up: at least, and at most when the rate does not settle"""
    seed: int = 0
    """of the arrivals of an open loop"""
    parts: tuple[str, ...] | None = None
    """what each body must contain; None: what is known of the page"""
    cores: tuple[int, ...] = ()
    """the processors that the generator keeps to; empty: any"""
    patience: float = Field(default=40.0, gt=0)
    """seconds that an answer is waited for, also after the measured part: above the stack's own
    limits"""
    named: bool = False
    """the user named this host; without it load goes to the loopback address only"""
    max_rate: float | None = Field(default=None, gt=0)
    """requests/s that are never exceeded; a named host has one"""

    @model_validator(mode="after")
    def _stays_where_it_may(self) -> Self:
        for url in (self.url, self.against):
            if url and not self.named and not is_loopback(url):
                raise ValueError(
                    f"{url}: load goes to this host only, unless the user names another one"
                )
        if self.against and any(load.kind == "open" for load in self.loads):
            raise ValueError(
                f"{self.against}: an open loop cannot take turns, its requests are due at all times"
            )
        if self.named and self.max_rate is None:
            raise ValueError(f"{self.url}: a host that the user names needs max_rate")
        if not self.mix and any(load.page == MIX for load in self.loads):
            raise ValueError(f"{MIX}: a load of several pages needs them")
        for load in self.loads:
            if (load.kind == "open") != (load.rate is not None):
                raise ValueError(
                    f"{load.kind} load with rate {load.rate}: an open loop has a rate, a closed "
                    f"one none"
                )
            if load.rate and self.max_rate and load.rate > self.max_rate:
                raise ValueError(f"rate {load.rate}/s: more than max_rate {self.max_rate}/s")
        return self

    def pages(self, load: Load) -> tuple[Page, ...]:
        """What `load` asks for."""
        return self.mix if load.page == MIX else (Page(address=load.page, weight=1),)

    def expected(self, load: Load) -> tuple[bytes, ...]:
        """What a whole body of the page contains."""
        parts = PARTS.get(load.page.partition("?")[0], ()) if self.parts is None else self.parts
        return tuple(part.encode() for part in parts)

    @property
    def outcomes(self) -> int:
        """How many outcomes the job ends with."""
        return len(self.loads) * (2 if self.against else 1)

    @property
    def longest(self) -> float:
        """Seconds after which the generator must have ended, from its first request on."""
        servers = 2 if self.against else 1
        return servers * sum(
            self.warm_max + load.seconds + self.patience + CONNECT_SECONDS for load in self.loads
        )


class Progress(Record):
    """Twice a second, and at once when a phase begins."""

    event: Literal["progress"] = "progress"
    index: int
    """of the load, from 0"""
    phase: Literal["warming", "measuring", "draining"]
    done: float
    total: float
    """seconds of this phase; `total` is the most that it takes"""
    requests: int
    failures: int
    """in the measured part"""


class Outcome(Record):
    """What one load did. The fields are those of `model.Trial`, and `sent`."""

    event: Literal["outcome"] = "outcome"
    load: Load
    warm_seconds: float
    seconds: float
    requests: int
    failures: int
    unanswered: int
    reasons: dict[str, int]
    latency: str
    corrected: str | None
    rates: tuple[float, ...]
    """of each second, or of each turn"""
    generator_cpu: float
    sent: int
    """requests of all phases together: what the server has counted when it got all of them"""
