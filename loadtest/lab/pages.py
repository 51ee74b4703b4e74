"""The demo's benchmark pages: which there are, and what a request for one asks of the database."""

from __future__ import annotations

import re

PAGES = {
    "/plain": "a text, no query",
    "/json": "an object as JSON, no query",
    "/db": "one row by its key",
    "/queries?n=20": "20 rows, a query each",
    "/fortunes": "all rows of a small table, sorted, as HTML",
    "/updates?n=20": "20 rows, a query each, then written in one transaction",
}
TRANSACTIONS = {
    "/plain": (0, 0),
    "/json": (0, 0),
    "/db": (1, 0),
    "/fortunes": (1, 0),
    "/queries": (0, 1),
    "/updates": (1, 1),
}
"""page → transactions of a request, and for each of its `n` rows: a query outside of a transaction
is one"""
MOST_ROWS = 500
"""that a request gets, however many it asks for"""


def transactions(page: str) -> int | None:
    """Transactions that a request for `page` makes; None where that is not known."""
    match = re.fullmatch(r"(/[a-z]+)(?:\?n=([1-9][0-9]{0,5}))?", page)
    if not match or match[1] not in TRANSACTIONS:
        return None
    once, each = TRANSACTIONS[match[1]]
    return once + each * min(int(match[2] or 1), MOST_ROWS)
