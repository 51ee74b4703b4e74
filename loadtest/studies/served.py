"""One side of a pair that `releases.py` compares: a stack of the lab on the release that this runs
on. Orders come as lines of JSON on the standard input, answers go out as lines."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(CHECKOUT), str(CHECKOUT / "app")]

from loadtest import program  # noqa: E402 - the path comes first
from loadtest.lab import limits, machine, site, stack  # noqa: E402
from loadtest.lab.model import IN_PROCESS, PGBENCH  # noqa: E402
from loadtest.lab.processes import pinned  # noqa: E402
from loadtest.lab.server import LabStack  # noqa: E402
from loadtest.lab.trial import Arm, Cores, observed, running  # noqa: E402
from loadtest.studies.sides import Answer, Order, suite_of  # noqa: E402
from pgstack.errors import StackError  # noqa: E402


def orders() -> Iterator[Order]:
    """Until nobody gives any more."""
    for line in sys.stdin:
        yield Order.model_validate_json(line)


def tell(answer: Answer) -> None:
    """Answer an order."""
    print(answer.model_dump_json(), flush=True)


def there(lab_stack: LabStack, labels: list[str]) -> Answer:
    """What releases differ in."""
    plan = lab_stack.plan
    reasons = {label: suite_of(label).missing(label, plan) for label in labels}
    missing = {label: reason for label, reason in reasons.items() if reason}
    return Answer(versions=machine.versions(plan), plan=machine.figures(plan), missing=missing)


def serve(arm: Arm, cores: Cores, given: Iterator[Order]) -> Answer:
    """Run `arm`, and watch it, until told to stop."""
    with observed(arm, cores) as observer:
        tell(Answer(url=site.url(arm.lab_stack)))
        for order in given:
            if order.progress is None:
                break
            observer.look(order.progress)
        return Answer(fields=observer.fields())


def limit(arm: Arm, cores: Cores, order: Order) -> Answer:
    """Requests/s of another way to ask, of what is behind the web."""
    with running(arm.behind(), cores):
        if order.limit == PGBENCH:
            return Answer(rate=limits.pgbench(arm.lab_stack, cores, order.users))
        assert order.limit == IN_PROCESS
        return Answer(rate=limits.in_daemons(arm, cores, order.page))


def main() -> int:
    """Have a stack, and do with it what is said; the arguments are labels that may be named."""
    cores, given = machine.cores(shared=False), orders()
    with stack.prepared(cores.stack, []) as lab_stack, pinned(cores.generator):
        tell(there(lab_stack, sys.argv[1:]))
        for order in given:
            arm = Arm(lab_stack, *suite_of(order.label).subject(order.label))
            try:
                done = limit(arm, cores, order) if order.limit else serve(arm, cores, given)
                tell(done)
            except StackError as error:
                tell(Answer(error=str(error)))
    return 0


if __name__ == "__main__":
    sys.exit(program.status(main))
