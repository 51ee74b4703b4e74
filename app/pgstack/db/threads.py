"""Connections that end with the thread that opened them.

Django keeps a thread's connections in the thread, and each is part of a cycle: when the thread ends
they are open until the collector comes by, which in a web process is seldom. So threads that a view
starts would fill the pooler.
"""

from __future__ import annotations

import threading
import weakref
from contextlib import suppress
from typing import Any


class _Opened:
    """Belongs to one thread, and to no cycle: it is deleted as the thread ends, by the thread
    itself."""

    def __init__(self) -> None:
        self.wrappers: weakref.WeakSet[Any] = weakref.WeakSet()

    def __del__(self) -> None:
        for wrapper in list(self.wrappers):
            # One that other threads were given may still be in use.
            if wrapper.connection is not None and not wrapper.allow_thread_sharing:
                with suppress(Exception):
                    wrapper.connection.close()


class _OfThread(threading.local):
    def __init__(self) -> None:
        self.opened = _Opened()


_this_thread = _OfThread()


def ends_with_this_thread(wrapper: Any) -> None:
    """Close the connection of Django's `wrapper` when the calling thread ends, unless it is shared
    with others."""
    if not wrapper.pool:
        _this_thread.opened.wrappers.add(wrapper)
