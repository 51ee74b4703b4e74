"""Tables: the two that the field's benchmark pages read, and the ledger's three."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

WORLD_ROWS = 10_000
"""Rows that the benchmark's rules ask for; pages read the ids 1 to this."""

MAX_KEY_LENGTH = 128
"""Characters of an idempotency key."""


class World(models.Model):
    """A number to read and to change."""

    id = models.IntegerField(primary_key=True)
    random_number = models.IntegerField(db_column="randomnumber")

    class Meta:
        db_table = "world"

    def __str__(self) -> str:
        return f"world {self.pk}: {self.random_number}"


class Fortune(models.Model):
    """A line of text to sort and to escape."""

    id = models.IntegerField(primary_key=True)
    message = models.CharField(max_length=2048)

    class Meta:
        db_table = "fortune"

    def __str__(self) -> str:
        return self.message


class Account(models.Model):
    """Money that somebody has, in whole units.

    `balance` is `opening` plus the sum of the account's entries. The audit checks that.
    """

    name = models.CharField(max_length=64)
    opening = models.BigIntegerField()
    balance = models.BigIntegerField()

    class Meta:
        db_table = "ledger_account"
        constraints = [
            models.UniqueConstraint(fields=["name"], name="ledger_account_name_once"),
            models.CheckConstraint(
                condition=models.Q(balance__gte=0), name="ledger_account_not_overdrawn"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Transfer(models.Model):
    """One transfer between two accounts, applied once per idempotency key."""

    key = models.CharField(max_length=MAX_KEY_LENGTH)
    source = models.ForeignKey(Account, models.PROTECT, related_name="+", db_index=False)
    target = models.ForeignKey(Account, models.PROTECT, related_name="+", db_index=False)
    amount = models.BigIntegerField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "ledger_transfer"
        constraints = [
            # As a constraint: `unique=True` would bring a second index, for LIKE, on the busiest
            # table.
            models.UniqueConstraint(fields=["key"], name="ledger_transfer_key_once"),
            models.CheckConstraint(
                condition=models.Q(amount__gt=0), name="ledger_transfer_amount_positive"
            ),
            models.CheckConstraint(
                condition=~models.Q(source=models.F("target")), name="ledger_transfer_two_accounts"
            ),
        ]

    def __str__(self) -> str:
        return f"transfer {self.key}: {self.amount}"


class Entry(models.Model):
    """One side of a transfer: negative where the money leaves, positive where it arrives."""

    transfer = models.ForeignKey(Transfer, models.PROTECT, related_name="entries", db_index=False)
    account = models.ForeignKey(Account, models.PROTECT, related_name="entries", db_index=False)
    amount = models.BigIntegerField()

    class Meta:
        db_table = "ledger_entry"
        verbose_name_plural = "entries"
        constraints = [
            # Its index also serves look-ups by transfer.
            models.UniqueConstraint(
                fields=["transfer", "account"], name="ledger_entry_once_per_transfer"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.amount} on account {self.account_id}"
