"""The router that sends marked reads to `replica` (pgstack.db.replica), before those of the
project."""

from __future__ import annotations

from typing import Any

from django.db import connections, router

from pgstack.db import replica
from pgstack.db.aliases import MIRRORS_KEY, POOLED, REPLICA


class ReplicaRouter:
    """Has a say in what the other routers leave to `default`, and in nothing else."""

    def db_for_read(self, model: type[Any], **hints: Any) -> str | None:
        """`replica` for a marked model; never within a transaction, which may have written."""
        if not self._is_ours("db_for_read", model, hints):
            return None
        meta = model._meta  # noqa: SLF001 - Django's documented API
        if replica.wanted(meta.app_label, meta.label_lower) and _may_lead_elsewhere():
            return REPLICA
        return POOLED if _place(hints) == REPLICA else None

    def db_for_write(self, model: type[Any], **hints: Any) -> str | None:
        """`default`, also for what was read from `replica`."""
        ours = _place(hints) == REPLICA and self._is_ours("db_for_write", model, hints)
        return POOLED if ours else None

    def allow_relation(self, here: Any, there: Any, **_: Any) -> bool | None:
        """Both aliases have the same rows."""
        places = {here._state.db, there._state.db}  # noqa: SLF001 - Django's documented API
        return True if places == {POOLED, REPLICA} else None

    def allow_migrate(self, alias: str, app_label: str, **_: Any) -> bool | None:
        """A standby has what the primary has."""
        del app_label
        return False if alias == REPLICA else None

    def _is_ours(self, method: str, model: type[Any], hints: dict[str, Any]) -> bool:
        """Whether nothing leads the model to another database than `default`."""
        if _place(hints) not in (None, POOLED, REPLICA):
            return False
        others = (
            getattr(other, method)(model, **hints)
            for other in router.routers
            if other is not self and hasattr(other, method)
        )
        return next((alias for alias in others if alias), POOLED) == POOLED


def _place(hints: dict[str, Any]) -> str | None:
    """Where the instance was read from that a query begins at."""
    state = getattr(hints.get("instance"), "_state", None)
    return getattr(state, "db", None)


def _may_lead_elsewhere() -> bool:
    """Not within a transaction of `default`, nor where another connection has its place
    (on_direct), nor under a test runner, whose tests name the aliases that they use."""
    default = connections[POOLED]
    if default.alias != POOLED or connections.settings[REPLICA].get(MIRRORS_KEY):
        return False
    opened = default.connection is not None and not default.autocommit
    return not default.in_atomic_block and not opened
