"""What came of a drill, from the history of its operations: whether writes were lost, or taken by
two members at once, and whether reads were stale. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Write:
    """One that was acknowledged, by the member that did; moments on the machine's monotonic
    clock."""

    writer: str
    number: int
    member: str
    timeline: str
    """eight hexadecimal digits"""
    began: float
    ended: float
    alone: bool = False
    """whether the member said that no standby may have it"""


def lost(writes: Sequence[Write], stored: Collection[tuple[str, int]]) -> list[Write]:
    """Acknowledged, not stored. One that came with a warning counts too: programs read none."""
    return [write for write in writes if (write.writer, write.number) not in stored]


def longest_gap(moments: Collection[float]) -> float:
    """The most seconds between two of them."""
    return max(later - earlier for earlier, later in pairwise(sorted(moments)))


def conflicts(writes: Sequence[Write]) -> Iterator[str]:
    """Pairs of acknowledged writes that show two members which take writes.

    A timeline is one member's. Once a newer timeline has acknowledged a write, no older one
    acknowledges any that begins later.
    """
    members: dict[str, str] = {}
    for write in writes:
        if members.setdefault(write.timeline, write.member) != write.member:
            yield f"{members[write.timeline]} and {write.member} write timeline {write.timeline}"
    newest: Write | None = None
    ended = sorted(writes, key=lambda write: write.ended)
    begun = sorted(writes, key=lambda write: write.began)
    at = 0
    for write in begun:
        while at < len(ended) and ended[at].ended < write.began:
            if newest is None or ended[at].timeline > newest.timeline:
                newest = ended[at]
            at += 1
        if newest is not None and write.timeline < newest.timeline:
            yield (
                f"{write.member} took a write on {write.timeline} after {newest.member} had on "
                f"{newest.timeline}"
            )


def forks(histories: dict[str, dict[str, str]]) -> list[str]:
    """Timelines whose history differs between members. `histories` has the text of each history
    file by its name, by member."""
    names = sorted({name for files in histories.values() for name in files})
    told = {
        name: {files[name].strip() for files in histories.values() if name in files}
        for name in names
    }
    return [name for name, texts in told.items() if len(texts) > 1]
