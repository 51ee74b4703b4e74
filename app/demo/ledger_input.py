"""What clients of the ledger may send. Anything else is refused, naming the field."""

from __future__ import annotations

import json
import re

from demo.ledger import Order
from demo.models import MAX_KEY_LENGTH

MAX_AMOUNT = 10**12
"""Whole units in one transfer: far above what an account holds, far below a 64-bit overflow."""

MAX_ID = 2**63 - 1
"""The largest id that PostgreSQL's bigint holds."""

# A key is part of an address: RFC 3986's unreserved characters and the colon. It begins with
# a letter or digit, because browsers resolve "." and ".." away.
KEY = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._~:-]{{0,{MAX_KEY_LENGTH - 1}}}")

FIELDS = ("source", "target", "amount")


class BadInput(Exception):
    """One field of a request cannot be used."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def parse_key(value: str) -> str:
    """An idempotency key as it is.

    Raises `BadInput` when it is empty, too long or has other characters than unreserved ones.
    """
    if not KEY.fullmatch(value):
        raise BadInput(
            "Idempotency-Key",
            f"Send a unique key for each transfer: 1 to {MAX_KEY_LENGTH} letters, digits or . _ ~ "
            f": -,"
            " a letter or digit first.",
        )
    return value


def parse_order(key: str, body: bytes) -> Order:
    """The order in a JSON object with exactly `source`, `target` and `amount`.

    Raises `BadInput`.
    """
    try:
        data = json.loads(body.decode("utf-8"))
    except (
        ValueError,
        RecursionError,
    ):  # not UTF-8, not JSON, absurdly long numbers, absurd nesting
        raise BadInput("body", "The body is not JSON in UTF-8.") from None
    if not isinstance(data, dict):
        raise BadInput("body", f"The body must be a JSON object with {', '.join(FIELDS)}.")
    for name in data:
        if name not in FIELDS:
            raise BadInput(_printable(name), f"Unknown field; send {', '.join(FIELDS)}.")
    return make_order(
        key,
        _whole_number(data, "source", MAX_ID),
        _whole_number(data, "target", MAX_ID),
        _whole_number(data, "amount", MAX_AMOUNT),
    )


def make_order(key: str, source: int, target: int, amount: int) -> Order:
    """An order whose numbers are already known to be whole and in range.

    Raises `BadInput` for a bad key, or a transfer from an account to itself.
    """
    if source == target:
        raise BadInput("target", "Source and target are the same account.")
    return Order(parse_key(key), source, target, amount)


def _whole_number(data: dict[str, object], field: str, limit: int) -> int:
    value = data.get(field)
    # bool is an int in Python, and true is not an amount
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= limit:
        raise BadInput(field, f"Must be a whole number from 1 to {limit}.")
    return value


def _printable(name: str) -> str:
    """A field name that a client made up, safe to send back: short and without surrogates."""
    return name[:40].encode("ascii", "backslashreplace").decode("ascii")
