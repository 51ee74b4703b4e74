"""`stack_advise --from DIR`: which inputs to change, by a run of the lab."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from loadtest.lab import store
from loadtest.lab.model import TWIN, Load, Results, Trial
from pgstack.errors import InputError
from pgstack.metrics import advised
from pgstack.metrics.advised import Subject
from pgstack.metrics.measured import LEAST_REQUESTS, Measured
from pgstack.planning.plan import Plan

AGAIN = "measure again: make loadtest"
GIVES = "make advise FROM=loadtest/results/…"
CHANGE = "make loadtest {}  (with the same load); later make advise CHECK=1 FROM=its directory"


def subject(path: Path) -> Subject:
    """The stack of a run, which is named by its directory or its records. The advice is kept beside
    that directory, for a check of another one. Raises InputError for what is no run."""
    results, directory = store.read(path), path if path.is_dir() else path.parent
    file = directory / store.PLAN
    try:
        plan = Plan.model_validate_json(file.read_bytes())
    except (OSError, ValueError):
        raise InputError(f"{file}: no plan of this version; {AGAIN}.") from None
    kept = directory.resolve().parent / advised.NAME
    return Subject(plan, lambda: measured(results), kept, GIVES, CHANGE)


def measured(results: Results) -> Measured:
    """Of the stack as it is planned, under that load of which most requests were there at a time.
    Raises InputError where no valid trial tells."""
    loads: dict[Load, list[Trial]] = {}
    for trial in _as_planned(results):
        loads.setdefault(trial.load, []).append(trial)
    if not loads:
        raise InputError(
            f"the run of {results.started} has no valid trial of the stack as planned that says "
            f"where its requests were; {AGAIN}."
        )
    busiest = max((_together(own, results) for own in loads.values()), key=_at_once)
    requests = busiest.requests * busiest.seconds
    if requests < LEAST_REQUESTS:
        raise InputError(
            f"{requests:.0f} requests in {busiest.seconds:.0f} s: too few to judge by "
            f"({LEAST_REQUESTS}); {AGAIN} SECONDS=10."
        )
    return busiest


def _as_planned(results: Results) -> Iterable[Trial]:
    """Each page is asked of the stack as it is; else it is the reference."""
    for trial in results.trials:
        own = trial.label.removesuffix(TWIN) == results.reference or results.suite == "pages"
        if own and trial.inward and not trial.void:
            yield trial


def _at_once(figures: Measured) -> float:
    return figures.queue + figures.python + figures.pool_wait + figures.sql


def _together(trials: list[Trial], results: Results) -> Measured:
    """Trials under one load as one window."""
    seconds = sum(trial.seconds for trial in trials)
    told = [(trial, trial.inward) for trial in trials if trial.inward]

    def at_once(name: str) -> float:
        counted = (trial.requests * float(getattr(inward, name)) for trial, inward in told)
        return sum(counted) / seconds

    cpu = sum(sum(trial.cpu_seconds.values()) for trial in trials)
    cores = len(results.machine.stack_cores)
    return Measured(
        seconds=seconds,
        of=sum(trial.seconds for trial in results.trials),
        requests=sum(trial.requests for trial in trials) / seconds,
        queue=at_once("queue"),
        python=at_once("python"),
        pool_wait=at_once("pool_wait"),
        sql=at_once("sql"),
        lent=at_once("lent"),
        workers=trials[0].load.users,
        lock_waiters=0.0,
        cpu=min(1.0, cpu / seconds / cores) if cores else None,
        p99=max((inward.p99 for _, inward in told if inward.p99 is not None), default=None),
        memory=max((inward.memory for _, inward in told if inward.memory), default=None),
        statements=told[-1][1].statements,
    )
