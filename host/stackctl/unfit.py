"""A member of a cluster whose disk gave back another page than was written. It follows, and never
leads, until its data are copied anew."""

from __future__ import annotations

from . import patroni, postgres, safe
from .stack import Stack

WRONG = "SELECT coalesce(sum(checksum_failures), 0) FROM pg_stat_database"


def note(stack: Stack) -> str:
    """Have a standby that has read such a page never lead; returns what was done, empty for
    nothing. A leader leads on, since no other may have what it has; people are told. Raises
    StackctlError."""
    if "patroni" not in stack.services or patroni.UNFIT.exists():
        return ""
    if patroni.role(stack) != "standby" or (pages := postgres.ask(stack, WRONG)) == "0":
        return ""
    safe.write(patroni.UNFIT, b"")
    patroni.bring(stack, patroni.fill(stack))
    return (
        f"{pages} page reads met a wrong checksum: this member does not lead any more, until "
        f"`{stack.names.stackctl} copy` has copied the leader's data"
    )


def forget(stack: Stack) -> str:
    """It has other data now; returns which verb of systemctl brings that into force."""
    safe.remove(patroni.UNFIT)
    return patroni.fill(stack)
