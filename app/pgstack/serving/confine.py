"""Where the web processes of the local target may write: where a host's sandbox and Compose's file
system let them.

As a program it gives up all other writing, for itself and whatever it starts, and becomes another
one: `confine.py PATH:PATH… PROGRAM ARGUMENT…`. The kernel's Landlock does that for any account
(landlock(7)); Debian's kernels have it. Where there is none, it says so and pages may write
wherever the stack's account may.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from contextlib import suppress

EVERYWHERE = ("/tmp", "/dev")  # noqa: S108 - allowed, not used
"""what is writable on every target"""
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
"""system calls, the same on all architectures"""
ASK_VERSION, BENEATH, NO_NEW_PRIVILEGES = 1, 1, 38
WRITING = 1 << 1 | sum(1 << bit for bit in range(4, 13))
"""open for writing; remove and make entries of any kind (linux/landlock.h)"""
MOVING, SHORTENING = (2, 1 << 13), (3, 1 << 14)
"""version of the interface that each came with: moving between directories, and truncating"""

_call = ctypes.CDLL(None, use_errno=True).syscall


def confine(writable: list[str]) -> bool:
    """Write below `writable` only, from now on; False where the kernel cannot see to that.
    Directories must exist."""
    version = _call(CREATE_RULESET, None, 0, ASK_VERSION)
    if version < 1:
        return False
    rights = WRITING | sum(right for since, right in (MOVING, SHORTENING) if version >= since)
    attributes = struct.pack("=Q", rights)
    rules = _call(CREATE_RULESET, attributes, len(attributes), 0)
    for path in writable:
        with suppress(FileNotFoundError):
            _allow(rules, path, rights)
    if ctypes.CDLL(None).prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0) or _call(RESTRICT_SELF, rules, 0):
        return False
    os.close(rules)
    return True


def _allow(rules: int, path: str, rights: int) -> None:
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if _call(ADD_RULE, rules, BENEATH, struct.pack("=Qi", rights, place), 0):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), path)
    finally:
        os.close(place)


def main() -> None:
    """Confine this process, and become the program."""
    if not confine([*EVERYWHERE, *sys.argv[1].split(":")]):
        print(
            "This kernel has no Landlock: pages may write wherever the stack's account may.",
            file=sys.stderr,
        )
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
