"""Django's cache in Valkey, which waits while that is being restarted instead of failing pages.

A call that finds nobody is made again until Valkey has been away for `patience` seconds; while it
stays away each fails at once, as Django's own backend does. Where queues have taken all of the
memory, an entry is dropped as soon as it is stored.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

import redis
from django.core.cache.backends.redis import RedisCache, RedisCacheClient, RedisSerializer

from pgstack.db.liveness import Outage, pauses

OUTAGE = Outage()
"""of this process's Valkey; all of its threads share it"""
FULL = "command not allowed when used memory"
"""how it says that nothing is left that may be dropped (OOM)"""
READING = ("touch", "has_key", "delete", "delete_many", "clear")


def _patient(call: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(call)
    def again(self: PatientClient, *arguments: Any, **named: Any) -> Any:
        for pause in pauses():
            try:
                answer = call(self, *arguments, **named)
            except redis.ConnectionError:
                if time.monotonic() + pause > OUTAGE.give_up_at(self.patience):
                    raise
                time.sleep(pause)
            else:
                OUTAGE.over()
                return answer
        return None

    return again


def _room(call: Callable[..., Any], instead: Callable[..., Any]) -> Callable[..., Any]:
    """`call`; where there is no room, `instead`."""

    @wraps(call)
    def dropped(self: PatientClient, *arguments: Any, **named: Any) -> Any:
        try:
            return call(self, *arguments, **named)
        except redis.ResponseError as error:
            if FULL not in str(error):
                raise
        return instead(self, *arguments)

    return dropped


class UnreadEntry(Exception):
    """An entry that somebody else may have written, and that would be unpickled."""


class NumbersOnly(RedisSerializer):
    """For who deploys, and may more than pages: what these have cached would run as its own code,
    so all but numbers counts as dropped."""

    def loads(self, data: Any) -> int:
        """The number that an entry holds. Raises UnreadEntry for anything else."""
        try:
            return int(data)
        except ValueError:
            raise UnreadEntry from None


def _missing(call: Callable[..., Any], instead: Callable[..., Any]) -> Callable[..., Any]:
    """`call`; for what is not read, `instead`."""

    @wraps(call)
    def missed(self: PatientClient, *arguments: Any) -> Any:
        try:
            return call(self, *arguments)
        except UnreadEntry:
            return instead(*arguments)

    return missed


class PatientClient(RedisCacheClient):
    """Repeats each call while the server is away."""

    def __init__(self, servers: Any, *, patience: float, **options: Any) -> None:
        super().__init__(servers, **options)
        self.patience = patience

    def forget(self, key: str, *_: Any) -> None:
        """What was stored before must not stay."""
        self.delete(key)

    def forget_many(self, entries: Iterable[str], *_: Any) -> None:
        """Delete several entries."""
        self.delete_many(list(entries))

    def not_added(self, *_: Any) -> bool:
        """As when somebody else was first: a lock that cannot be stored is not given."""
        return False

    def not_there(self, key: str, *_: Any) -> None:
        """As when it was dropped a moment ago."""
        raise ValueError(f"Key '{key}' not found.")


INSTEAD: dict[str, Callable[..., Any]] = {
    "set": PatientClient.forget,
    "set_many": PatientClient.forget_many,
    "add": PatientClient.not_added,
    "incr": PatientClient.not_there,
}
"""what a call that stores comes to where there is no room"""
UNREAD: dict[str, Callable[..., Any]] = {
    "get": lambda _, default: default,
    "get_many": lambda _: {},
}
"""what a call that reads comes to where nothing is read"""
for _name, _unread in UNREAD.items():
    _call = _patient(getattr(RedisCacheClient, _name))
    setattr(PatientClient, _name, _missing(_call, _unread))
for _name in READING:
    setattr(PatientClient, _name, _patient(getattr(RedisCacheClient, _name)))
for _name, _instead in INSTEAD.items():
    setattr(PatientClient, _name, _room(_patient(getattr(RedisCacheClient, _name)), _instead))


class Cache(RedisCache):
    """BACKEND of a cache in Valkey; OPTIONS have its `patience`, in seconds."""

    def __init__(self, server: Any, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._class = PatientClient
