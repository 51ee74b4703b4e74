"""What root wants to know of servers that less privileged accounts own: asked by a process that has
given up root for good, and returned as JSON, in bounded time and length.

It is a fork that starts no program. So a process of that account may end it, but cannot read or
write its memory: a process that has changed its account is closed to all but root (prctl(2),
PR_SET_DUMPABLE), until it starts another program.
"""

from __future__ import annotations

import grp
import json
import os
import pwd
import resource
import select
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from pgstack.errors import StackError

from .safe import StackctlError

LIMIT = 1024**2
"""bytes of an answer"""
MEMORY = 512 * 1024**2
WORDS = 1000
"""characters of a complaint"""
Told = Callable[[], Any]


@contextmanager
def asked(account: str, group: str, work: Callable[[], Any], seconds: float) -> Iterator[Told]:
    """Within it `work` is done as that account, in that group and in its own; the function that it
    yields waits for what it returns, and raises StackctlError where nothing comes. Before any
    thread: they would not be in the fork."""
    deadline = time.monotonic() + seconds
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        _work(account, group, work, writing)
    os.close(writing)
    try:
        yield lambda: _result(_received(reading, deadline, seconds))
    finally:
        os.close(reading)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _work(account: str, group: str, work: Callable[[], Any], writing: int) -> NoReturn:
    """Become it, do it, tell it."""
    try:
        who = pwd.getpwnam(account)
        os.setsid()
        os.setgroups([who.pw_gid])
        os.setgid(grp.getgrnam(group).gr_gid)
        os.setuid(who.pw_uid)
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
        told = {"done": work()}
    except (StackError, StackctlError) as error:
        told = {"failed": str(error)[:WORDS]}
    except BaseException as error:  # noqa: BLE001 - it has nobody else to tell
        told = {"failed": f"{type(error).__name__}: {error}"[:WORDS]}
    try:
        with open(writing, "wb") as pipe:
            pipe.write(json.dumps(told).encode())
    finally:
        os._exit(0)


def _received(reading: int, deadline: float, seconds: float) -> bytes:
    answer = bytearray()
    while True:
        ready, _, _ = select.select([reading], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise StackctlError(f"no answer within {seconds:g} s")
        part = os.read(reading, 65536)
        if not part:
            return bytes(answer)
        answer += part
        if len(answer) > LIMIT:
            raise StackctlError(f"an answer of more than {LIMIT // 1024} kB")


def _result(text: bytes) -> Any:
    try:
        told = json.loads(text)
    except ValueError:
        raise StackctlError("it was ended before it had an answer") from None
    if "failed" in told:
        raise StackctlError(told["failed"])
    return told["done"]
