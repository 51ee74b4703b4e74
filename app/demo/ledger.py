"""The ledger: transfers that are applied exactly once, and the audit that proves it.

Correct in READ COMMITTED and behind a transaction pooler: everything a transfer needs
happens in one transaction, and nothing is kept in the session. The database guards what
matters by itself: a unique key, balances that cannot go below zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction
from django.db.models import Case, F, When

from demo.models import Account, Entry, Transfer


class LedgerError(Exception):
    """A transfer was refused; nothing of it was stored."""


class UnknownAccount(LedgerError):
    """An account does not exist. `field` says which side, "source" or "target"."""

    def __init__(self, field: str, account: int) -> None:
        super().__init__(f"There is no account {account}.")
        self.field = field


class InsufficientFunds(LedgerError):
    """The source account holds less than the amount."""


class KeyReused(LedgerError):
    """The idempotency key belongs to a transfer that asked for something else."""


@dataclass(frozen=True)
class Order:
    """What a client asks for: account ids, and an amount in whole units above zero."""

    key: str
    source: int
    target: int
    amount: int


@dataclass(frozen=True)
class Receipt:
    """A stored transfer. `replayed`: an earlier request with the same key stored it."""

    key: str
    source: int
    target: int
    amount: int
    created_at: datetime
    replayed: bool

    @property
    def order(self) -> Order:
        """What was asked for."""
        return Order(self.key, self.source, self.target, self.amount)


@dataclass(frozen=True)
class Audit:
    """The books at one moment; amounts in whole units."""

    accounts: int
    opening_total: int
    balance_total: int
    transfers: int
    transferred_total: int
    entries: int
    entries_total: int
    wrong_accounts: int
    """accounts whose balance is not their opening balance plus their entries"""
    wrong_transfers: int
    """transfers that do not have exactly the two entries they should have"""

    @property
    def balanced(self) -> bool:
        """True when no money appeared, vanished or was moved twice."""
        return (
            self.balance_total == self.opening_total
            and self.entries == 2 * self.transfers
            and self.entries_total == self.wrong_accounts == self.wrong_transfers == 0
        )


# The insert comes first and claims the key. A concurrent insert of the same key waits here
# until the other transaction ends: after its commit this one returns no row and the
# transfer is a replay; after its rollback this one goes ahead. No error either way, so
# replays do not fill PostgreSQL's log. The foreign keys are checked at commit.
CLAIM = """
    INSERT INTO ledger_transfer (key, source_id, target_id, amount)
    VALUES (%s, %s, %s, %s)
    ON CONFLICT (key) DO NOTHING
    RETURNING id, created_at
"""

# One statement sees one snapshot, whatever is committed meanwhile.
AUDIT = """
    WITH moves AS (SELECT account_id, sum(amount) AS moved FROM ledger_entry GROUP BY account_id),
    books AS (
        SELECT count(*) AS accounts, coalesce(sum(opening), 0) AS opening,
            coalesce(sum(balance), 0) AS balance,
            count(*) FILTER (WHERE balance <> opening + coalesce(moved, 0)) AS wrong
        FROM ledger_account LEFT JOIN moves ON account_id = id
    ),
    sides AS (
        SELECT t.id, t.amount, count(e.id) AS entries, coalesce(sum(e.amount), 0) AS total,
            count(*) FILTER (WHERE (e.account_id, e.amount)
                IN ((source_id, -t.amount), (target_id, t.amount))) AS fit
        FROM ledger_transfer t LEFT JOIN ledger_entry e ON e.transfer_id = t.id GROUP BY t.id
    ),
    journal AS (
        SELECT count(*) AS transfers, coalesce(sum(amount), 0) AS transferred,
            coalesce(sum(entries), 0) AS entries, coalesce(sum(total), 0) AS total,
            count(*) FILTER (WHERE entries <> 2 OR fit <> 2) AS wrong
        FROM sides
    )
    SELECT books.accounts, books.opening, books.balance, journal.transfers, journal.transferred,
        journal.entries, journal.total, books.wrong, journal.wrong
    FROM books, journal
"""


def transfer(order: Order) -> Receipt:
    """Apply a transfer, or return what an earlier request with the same key did.

    When the answer is lost on its way, the client sends the same order again: it is
    applied once, however often it arrives. A refused transfer leaves its key unused.

    Raises `UnknownAccount`, `InsufficientFunds` or `KeyReused`.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(CLAIM, [order.key, order.source, order.target, order.amount])
            claimed = cursor.fetchone()
        if claimed:
            transfer_id, created_at = claimed
            _move(transfer_id, order)
            return Receipt(
                order.key, order.source, order.target, order.amount, created_at, replayed=False
            )
    stored = find(order.key)
    if stored is None or stored.order != order:
        raise KeyReused(f"The key {order.key} was used for a different transfer.")
    return stored


def _move(transfer_id: int, order: Order) -> None:
    """Move the money and write both entries, inside the caller's transaction."""
    sides = [order.source, order.target]
    # Always in the order of the ids: two transfers between the same accounts, one each
    # way, would otherwise hold one lock each and wait for the other's for ever.
    locked = Account.objects.select_for_update(no_key=True).filter(pk__in=sides).order_by("pk")
    balances = dict(locked.values_list("pk", "balance"))
    for field, account in (("source", order.source), ("target", order.target)):
        if account not in balances:
            raise UnknownAccount(field, account)
    if balances[order.source] < order.amount:
        raise InsufficientFunds(
            f"The account holds {balances[order.source]}, less than {order.amount}."
        )
    change = Case(
        When(pk=order.source, then=F("balance") - order.amount), default=F("balance") + order.amount
    )
    Account.objects.filter(pk__in=sides).update(balance=change)
    Entry.objects.bulk_create(
        [
            Entry(transfer_id=transfer_id, account_id=order.source, amount=-order.amount),
            Entry(transfer_id=transfer_id, account_id=order.target, amount=order.amount),
        ]
    )


def find(key: str) -> Receipt | None:
    """The transfer stored under a key, or None. After a lost answer this tells what happened."""
    stored = Transfer.objects.filter(key=key).first()
    if stored is None:
        return None
    return Receipt(
        stored.key,
        stored.source_id,
        stored.target_id,
        stored.amount,
        stored.created_at,
        replayed=True,
    )


def audit() -> Audit:
    """Add up the books. Reads every transfer: about a second per million."""
    with connection.cursor() as cursor:
        cursor.execute(AUDIT)
        return Audit(*(int(value) for value in cursor.fetchone()))
