"""What a run of the lab measured: the content of results.json, and nothing that can be derived from
it.

Ratios, intervals, fits and verdicts are functions of these records; see `analysis`.
"""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

VERSION: Final = 2
"""of the file; a run is only resumed or compared with a file of the same version"""

TWIN = " (A/A)"
"""ends the label of the second of two identical strategies"""

HERE = "this checkout"
"""the label of the code that is here, beside that of AGAINST"""

REFERENCE = "pgbouncer-transaction"
"""the strategy that the others are compared with, unless a run says otherwise"""

HTTP, IN_PROCESS, OTHER_PYTHON = (
    "the page over HTTP",
    "in-process loop",
    "in-process loop, other Python",
)
MIX = "your pages"
"""what a trial asks for that asks for all pages of a run, each as often as its weight says"""
PGBENCH, STATIC, WRK = "pgbench", "static file", "wrk"
"""names in `Results.limits`; the last is another generator on the same URL"""


class Record(BaseModel):
    """A frozen record that refuses fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Page(Record):
    """An address of the project that is measured, and what it was seen to do before anything was
    measured. Figures are of one request with warm caches; None where nobody has looked yet."""

    address: str
    weight: float
    """how often it is asked for, compared with the others"""
    queries: float | None = None
    database_ms: float | None = None
    project_ms: float | None = None
    """until the head of its answer, database included"""
    connections: float | None = None
    """that Django as it comes opens for it"""
    transactions: float | None = None
    """of the pooler; None where they differ from one request to the next"""
    writes: bool = False


class Load(Record):
    """What the generator was asked to do.

    closed: `users` connections, each asks again as soon as it was answered. open: requests arrive
    at `rate` per second from a seeded Poisson process, whatever the answers do; `users` is then the
    number of connections that carry them.
    """

    kind: Literal["closed", "open"]
    page: str
    users: int
    rate: float | None = None
    seconds: float
    """of the measured part, without the warm-up"""


class Inward(Record):
    """Where the requests of a trial were, as its servers measured: seconds of each on the mean."""

    queue: float
    """until a thread took it"""
    python: float
    """in the application, without the database"""
    pool_wait: float
    """until it had a backend"""
    sql: float
    lent: float
    """for which it had a backend"""
    p99: float | None
    """seconds of the slowest in a hundred, with their wait"""
    memory: float | None
    """bytes of the largest web process"""
    statements: tuple[dict[str, Any], ...]
    """those that took most time in all trials so far (pgstack.metrics.statements)"""


class Trial(Record):
    """One label under one load, on servers that were started for it."""

    label: str
    """what is compared (a strategy, a web server, a page), or its twin: label + TWIN"""
    strategy: str
    """the way to the database that it used"""
    purpose: Literal["block", "ladder", "open"]
    """block: compared with what it took turns with; ladder: a point of a curve over users; open:
    over rates"""
    block: int
    """from 0"""
    beside: str | None = None
    """the label that it took turns with: the reference for all others, each of them for it; None
    where nothing did"""
    companion: bool = False
    """it is the reference beside the trial before it, and was not asked for by itself"""
    load: Load
    warm_seconds: float
    seconds: float
    """that really passed while measuring"""
    requests: int
    """answered as expected (status 200 and a whole body) while measuring"""
    failures: int
    unanswered: int
    """sent while measuring and not answered when the generator stopped waiting"""
    reasons: dict[str, int] = Field(default_factory=dict)
    """failure → how often"""
    latency: str
    """HdrHistogram of response times in microseconds, 1 to 60,000,000, 3 digits, encoded
    (base64)"""
    corrected: str | None = None
    """open loop: the same from the intended instead of the real time of sending"""
    rates: tuple[float, ...] = ()
    """requests/s in each second of the measured part"""
    generator_cpu: float
    """share of one core that the generator used"""
    slowness: float | None = None
    """time of a fixed piece of work on the stack's cores ÷ that on this machine at its best; None:
    nobody looked"""
    usual: float = 1.0
    """open loop: the same when the capacity was measured that its rate is a share of"""
    cpu_seconds: dict[str, float]
    """CPU time by component: web (the server without Python), python, pooler, database"""
    backends: int
    """most server processes of the application seen at once"""
    sent: int
    """requests of the whole run, warm-up included; the three counts below are those of the whole
    run too"""
    sessions: int | None
    """connections that the database accepted from the application; None when nobody looked"""
    transactions: int | None
    """of the pooler; None without one that counts"""
    parses: int | None = None
    """statements that the pooler made backends parse; None without one that counts them"""
    logged: int | None
    """lines of the access log; None when the server writes none"""
    inward: Inward | None = None
    """None where the servers do not measure themselves: they are others than the stack's"""
    void: tuple[str, ...] = ()
    """why this trial counts for nothing; empty for a valid one"""


class Machine(Record):
    """What it was measured on."""

    processor: str
    cores: int
    memory_bytes: int
    kernel: str
    debian: str
    stack_cores: tuple[int, ...]
    generator_cores: tuple[int, ...]
    """the same as stack_cores when they share"""
    work_ms: float | None = None
    """CPU time of the fixed piece of work of `yardstick` at its best; None: nobody looked"""


class Results(Record):
    """One run of the lab."""

    version: Literal[2] = VERSION
    suite: Literal[
        "strategies",
        "servers",
        "pages",
        "scaling",
        "tuning",
        "project",
        "against",
        "releases",
        "host",
    ]
    page: str
    project: str = ""
    """name of the directory of STACK_PROJECT; empty for the demo"""
    pages: tuple[Page, ...] = ()
    """that MIX is made of; empty where a run has one page"""
    covered: float = 1.0
    """share of the GETs of an access log that are for these pages"""
    seed: int
    blocks: int
    """rounds of the design, asked for; fewer are in `trials` when the run was interrupted"""
    users: int
    """of a closed loop in the blocks"""
    seconds: float
    """measured part of a trial in the blocks"""
    started: str
    """UTC, ISO 8601"""
    machine: Machine
    versions: dict[str, str]
    """server or package → version"""
    plan: dict[str, int | str]
    """the plan's figures that matter here, by dotted name"""
    asked: dict[str, str]
    """inputs, as they were given, and SEED: the same ones make the same run"""
    intended: int
    """trials of the whole run; fewer are in `trials` when it was interrupted"""
    reference: str = REFERENCE
    """the label that the ratios compare with"""
    strategies: dict[str, str]
    """label → what it is, in the order of the report"""
    unavailable: dict[str, str]
    """label → why it cannot run here, and the remedy"""
    trials: tuple[Trial, ...] = ()
    limits: dict[str, tuple[float, ...]] = Field(default_factory=dict)
    """requests/s of other ways to ask, in each round: HTTP as in the blocks, IN_PROCESS and so
    on"""

    @property
    def made(self) -> int:
        """Slots of the design that have a trial; one that a slow machine voided may have
        several."""
        return len(
            {
                (t.purpose, t.block, t.label, t.load.users, t.load.page)
                for t in self.trials
                if not t.companion
            }
        )

    @property
    def addresses(self) -> frozenset[str]:
        """All that a project's run was asked to measure, with those that it left out."""
        left_out = {name for name in self.unavailable if name.startswith("/")}
        return frozenset({page.address for page in self.pages} | left_out)

    def on(self, page: str) -> Results:
        """The same run with the trials of one page only."""
        return self.model_copy(
            update={"trials": tuple(trial for trial in self.trials if trial.load.page == page)}
        )

    @property
    def gains(self) -> bool:
        """Whether a ratio says what a label gains over the reference; otherwise the reference over
        the label."""
        return self.suite in ("tuning", "against")
