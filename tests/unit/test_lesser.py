"""What root asks by a process that has left root: what comes back, and what ends it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import pytest

from pgstack.errors import ProbeError
from stackctl import lesser
from stackctl.safe import StackctlError

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root becomes another account; run the tests as root"
)


def asked(work: Callable[[], Any], seconds: float = 10) -> Any:
    with lesser.asked("nobody", "adm", work, seconds) as answer:
        return answer()


def test_it_is_done_as_another_account_for_good() -> None:
    def work() -> list[Any]:
        with pytest.raises(PermissionError):
            os.setuid(0)
        return [os.getresuid(), os.getresgid()[0], os.getgroups()]

    uid, group = 65534, 4
    assert asked(work) == [[uid] * 3, group, [65534]]


def test_an_account_that_is_not_there_is_told() -> None:
    with (
        lesser.asked("nobody-such", "adm", os.getpid, 5) as answer,
        pytest.raises(StackctlError, match="nobody-such"),
    ):
        answer()


def test_that_account_reaches_nothing_of_it() -> None:
    """What is root's in /proc, a process of the same account may not open (ptrace(2))."""
    assert asked(lambda: os.stat("/proc/self/mem").st_uid) == 0  # noqa: PTH116


def fail() -> None:
    raise ProbeError("exporter: it says nothing")


@pytest.mark.parametrize(
    ("work", "words"),
    [
        (fail, "exporter: it says nothing"),
        (lambda: int("x"), "ValueError: invalid literal"),
        (lambda: "x" * 2**21, "an answer of more than 1024 kB"),
        (lambda: os.kill(os.getpid(), 9), "it was ended before it had an answer"),
        (lambda: bytearray(2**30), "MemoryError"),
    ],
    ids=["said", "not expected", "too long", "killed", "too large"],
)
def test_what_goes_wrong_is_one_message(work: Callable[[], Any], words: str) -> None:
    with pytest.raises(StackctlError, match=words):
        asked(work)


def test_a_wait_has_an_end() -> None:
    begun = time.monotonic()
    with pytest.raises(StackctlError, match=r"no answer within 0\.3 s"):
        asked(lambda: time.sleep(60), 0.3)
    assert time.monotonic() - begun < 5
