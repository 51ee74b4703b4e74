"""Rows for the demo. Run again, it adds what is missing and changes nothing else.

Everything goes over the `direct` alias: seeding is a deploy's work and runs under the deploy's
account, which the pooler refuses; and it ends with ANALYZE, which is the table owner's right.
Nothing is truncated, so it may run while the pages are in use.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from django.db import connections

from demo.models import WORLD_ROWS, Account, Fortune

ALIAS = "direct"

CHUNK = 10_000
"""Worlds inserted by one statement: short enough to show progress, long enough to be fast."""

OPENING_BALANCE = 1_000_000
"""Whole units on each account."""

COLOURS = (
    "Amber",
    "Blue",
    "Coral",
    "Dusky",
    "Emerald",
    "Fawn",
    "Golden",
    "Hazel",
    "Indigo",
    "Jade",
)
TREES = ("Alder", "Birch", "Cedar", "Elm", "Fir", "Larch", "Maple", "Oak", "Rowan", "Willow")

# One that must be escaped and one that is not ASCII are part of the benchmark's rules.
FORTUNES = (
    "A warm connection is worth a thousand handshakes.",
    "Whoever says the pool is too small has not yet looked at the longest query.",
    "Nothing is as permanent as a temporary table behind a transaction pooler.",
    "The query plan was perfect until the data arrived.",
    "Four backends, well kept, outrun four hundred that were just born.",
    "An idle transaction is a guest who has gone home and kept the key.",
    "Measure twice, tune once, measure again.",
    "The index you forgot will introduce itself on Monday at nine.",
    "A timeout is a promise about the worst day, made on a good one.",
    "He who retries without a key pays twice.",
    '<script>alert("A browser that shows this box was given unescaped text.");</script>',
    "接続は温かいうちに使い回すのがよい。",
)


@dataclass(frozen=True)
class Step:
    """How far one table is: `done` of `total` rows looked at, `added` of them new."""

    table: str
    done: int
    total: int
    added: int


def seed(worlds: int = WORLD_ROWS) -> Iterator[Step]:
    """Fill the tables, step by step. `worlds`: rows of the benchmark's table, at least
    `WORLD_ROWS`."""
    yield from _seed_worlds(worlds)
    yield _seed_fortunes()
    yield _seed_accounts()
    with connections[ALIAS].cursor() as cursor:
        cursor.execute("ANALYZE world, fortune, ledger_account")


def _seed_worlds(total: int) -> Iterator[Step]:
    """The rows never leave the server: generate_series makes them where they are stored."""
    added = 0
    with connections[ALIAS].cursor() as cursor:
        for first in range(1, total + 1, CHUNK):
            last = min(first + CHUNK - 1, total)
            cursor.execute(
                "INSERT INTO world (id, randomnumber)"
                " SELECT id, 1 + floor(random() * %s)::int FROM generate_series(%s, %s) AS id"
                " ON CONFLICT (id) DO NOTHING",
                [WORLD_ROWS, first, last],
            )
            added += cursor.rowcount
            yield Step("world", last, total, added)


def _seed_fortunes() -> Step:
    before = Fortune.objects.using(ALIAS).count()
    rows = [Fortune(id=number, message=message) for number, message in enumerate(FORTUNES, start=1)]
    Fortune.objects.using(ALIAS).bulk_create(
        rows, update_conflicts=True, unique_fields=["id"], update_fields=["message"]
    )
    return Step("fortune", len(rows), len(rows), Fortune.objects.using(ALIAS).count() - before)


def _seed_accounts() -> Step:
    """Accounts that exist keep their balance: money is made once."""
    before = Account.objects.using(ALIAS).count()
    rows = [
        Account(name=f"{colour} {tree}", opening=OPENING_BALANCE, balance=OPENING_BALANCE)
        for colour, tree in product(COLOURS, TREES)
    ]
    Account.objects.using(ALIAS).bulk_create(rows, ignore_conflicts=True)
    return Step(
        "ledger_account", len(rows), len(rows), Account.objects.using(ALIAS).count() - before
    )
