"""What inputs are called, and what else begins like them."""

from __future__ import annotations

from pgstack.planning import background

PREFIX = "STACK_"
# Names that begin with STACK_ and are no inputs: STACK_PLAN tells a process where its plan lies,
# STACK_RELEASE where on a host the release that it belongs to, STACK_WORKER that it is a worker,
# STACK_BUILDING that it is a command of STACK_BUILD.
BUILDING = "STACK_BUILDING"
RESERVED = frozenset({"STACK_PLAN", "STACK_RELEASE", background.VARIABLE, BUILDING})
EXTERNAL = PREFIX + "DATABASE_URL"
"""it may hold a password, which no message repeats"""


def environment_name(field: str) -> str:
    """The variable of an input: `STACK_POOL_SIZE` for `pool_size`."""
    return PREFIX + field.upper()
