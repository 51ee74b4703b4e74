"""A site as a net of queues, by discrete events: a request takes a seat wherever it needs one, and
waits in line where there is none."""

from __future__ import annotations

import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

REQUESTS, WARM = 40_000, 4_000
"""simulated, and how many of them are not counted"""
SHAPE = 4
"""of the gamma distribution of each service time: a spread of half its mean"""
USERS_PER_THREAD = 2
"""of a closed loop: every thread has the next request waiting"""
FULL = 0.95
"""busy for more than that, it is what all others wait for"""
SEED = 1
US, MS = 1e6, 1e3


@dataclass(frozen=True)
class Times:
    """µs of CPU of a request."""

    apache: float
    python: float
    pooler: float
    database: float


@dataclass(frozen=True)
class Site:
    """Web hosts that are alike. `pools` has the backends of each PgBouncer of a host."""

    hosts: int
    cores: int
    processes: int
    threads: int
    pools: tuple[int, ...]
    apart: bool = False
    """PostgreSQL is on one more host, with as many cores"""
    generator: float = 0.0
    """µs of CPU of who asks, on the cores of the host"""


@dataclass(frozen=True)
class Result:
    """What came of it: parts are those of the time in which something was busy."""

    rate: float
    """requests per second"""
    p99: float
    """milliseconds"""
    cores: float
    pooler: float
    """the busiest"""
    database: float
    """cores of the database's host"""
    pool: float
    """backends lent, of the pool that lent most"""

    @property
    def bottleneck(self) -> str:
        """What all others wait for."""
        busy = {
            "cores": self.cores,
            "the database's cores": self.database,
            "PgBouncer": self.pooler,
            "the pool": self.pool,
        }
        # A backend that waits for its PgBouncer is lent too.
        return next((name for name, part in busy.items() if part >= FULL), "none")


@dataclass
class Seats:
    """So many at a time; the others wait in line. `used` is in seat-microseconds, `worked` the
    part of it with a core."""

    count: int
    used: float = 0.0
    worked: float = 0.0
    taken: int = 0
    line: deque[Request] = field(default_factory=deque)


@dataclass(frozen=True)
class Step:
    """`take` a seat, or `give` it back, or let `time` pass, in µs."""

    take: Seats | None = None
    give: Seats | None = None
    time: float = 0.0


Request = Iterator[Step]


@dataclass
class Pooler:
    """One PgBouncer."""

    thread: Seats
    backends: Seats


@dataclass
class Process:
    """A web process, and its PgBouncer."""

    lock: Seats
    threads: Seats
    pooler: Pooler


@dataclass
class Host:
    """A web host; `database` are the cores that PostgreSQL runs on."""

    cores: Seats
    database: Seats
    processes: list[Process]


class Clock:
    """Requests, each at its next step."""

    def __init__(self) -> None:
        self.now, self._order = 0.0, itertools.count()
        self._due: list[tuple[float, int, Request]] = []

    def at(self, when: float, request: Request) -> None:
        """Go on with it then."""
        heapq.heappush(self._due, (when, next(self._order), request))

    def run(self, goes_on: Callable[[], bool]) -> None:
        """Until nothing is due, or enough was seen."""
        while self._due and goes_on():
            self.now, _, request = heapq.heappop(self._due)
            self._advance(request)

    def _advance(self, request: Request) -> None:
        for step in request:
            if step.time:
                self.at(self.now + step.time, request)
                return
            if step.give:
                self._give(step.give)
            elif step.take and not self._took(step.take, request):
                return

    def _took(self, seats: Seats, request: Request) -> bool:
        if seats.taken < seats.count:
            seats.taken += 1
            seats.used -= self.now
            return True
        seats.line.append(request)
        return False

    def _give(self, seats: Seats) -> None:
        seats.used += self.now
        if seats.line:
            seats.used -= self.now
            self.at(self.now, seats.line.popleft())
        else:
            seats.taken -= 1


class Run:
    """One simulation of a site."""

    def __init__(self, site: Site, times: Times) -> None:
        self.site, self.times, self.clock = site, times, Clock()
        self.chance = random.Random(SEED)
        self.database = Seats(site.cores)
        self.hosts = [self._host() for _ in range(site.hosts)]
        self.answered: list[float] = []
        self.began = 0.0

    def _host(self) -> Host:
        site = self.site
        poolers = [Pooler(Seats(1), Seats(size)) for size in site.pools]
        processes = [
            Process(Seats(1), Seats(site.threads), poolers[number % len(poolers)])
            for number in range(site.processes)
        ]
        cores = Seats(site.cores)
        return Host(cores, self.database if site.apart else cores, processes)

    def request(self, host: Host) -> Request:
        """From the first byte to the last."""
        times, began = self.times, self.clock.now
        yield from self._work(host.cores, times.apache / 2 + self.site.generator / 2)
        # Whoever is idle accepts first.
        process = min(host.processes, key=lambda each: each.threads.taken + len(each.threads.line))
        yield Step(take=process.threads)
        yield from self._alone(process.lock, host.cores, times.python / 2)
        yield from self._alone(process.pooler.thread, host.cores, times.pooler / 2)
        yield Step(take=process.pooler.backends)
        yield from self._work(host.database, times.database)
        yield from self._alone(process.pooler.thread, host.cores, times.pooler / 2)
        yield Step(give=process.pooler.backends)
        yield from self._alone(process.lock, host.cores, times.python / 2)
        yield Step(give=process.threads)
        yield from self._work(host.cores, times.apache / 2 + self.site.generator / 2)
        self.answered.append(self.clock.now - began)
        if len(self.answered) == WARM:
            self._forget()

    def _work(self, cores: Seats, mean: float) -> Request:
        yield from self._with(cores, self._time(mean))

    def _alone(self, thread: Seats, cores: Seats, mean: float) -> Request:
        time = self._time(mean)
        yield Step(take=thread)
        yield from self._with(cores, time)
        thread.worked += time
        yield Step(give=thread)

    def _with(self, cores: Seats, time: float) -> Request:
        yield Step(take=cores)
        yield Step(time=time)
        yield Step(give=cores)

    def _time(self, mean: float) -> float:
        return self.chance.gammavariate(SHAPE, mean / SHAPE)

    def user(self, host: Host) -> Request:
        """Asks again as soon as it is answered."""
        while True:
            yield from self.request(host)

    def arrivals(self, rate: float) -> Request:
        """Independent visitors, whom hosts take in turns."""
        for host in itertools.cycle(self.hosts):
            yield Step(time=self.chance.expovariate(rate) * US)
            self.clock.at(self.clock.now, self.request(host))

    def result(self) -> Result:
        """Of all that was counted."""
        self.clock.run(lambda: len(self.answered) < REQUESTS)
        passed = self.clock.now - self.began
        counted = sorted(self.answered[WARM:])
        poolers = {id(p.pooler): p.pooler for host in self.hosts for p in host.processes}.values()
        return Result(
            rate=len(counted) / passed * US,
            p99=counted[len(counted) * 99 // 100] / MS,
            cores=max(self._busy(host.cores, passed) for host in self.hosts),
            pooler=max(pooler.thread.worked for pooler in poolers) / passed,
            database=self._busy(self.database, passed),
            pool=max(self._busy(pooler.backends, passed) for pooler in poolers),
        )

    def _busy(self, seats: Seats, passed: float) -> float:
        return (seats.used + seats.taken * self.clock.now) / (passed * seats.count)

    def _forget(self) -> None:
        """What was busy until now."""
        self.began = self.clock.now
        for seats in self._all():
            seats.used, seats.worked = -seats.taken * self.clock.now, 0.0

    def _all(self) -> Iterator[Seats]:
        yield self.database
        for host in self.hosts:
            yield host.cores
            for process in host.processes:
                yield from (process.pooler.thread, process.pooler.backends)


def closed(site: Site, times: Times) -> Result:
    """As many users as keep all threads busy."""
    run = Run(site, times)
    for host in run.hosts:
        for _ in range(site.processes * site.threads * USERS_PER_THREAD):
            run.clock.at(0.0, run.user(host))
    return run.result()


def opened(site: Site, times: Times, rate: float) -> Result:
    """So many requests per second, whatever becomes of those before."""
    run = Run(site, times)
    run.clock.at(0.0, run.arrivals(rate))
    return run.result()
