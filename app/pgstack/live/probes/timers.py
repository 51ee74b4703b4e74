"""systemd's timers of the schedule, as systemd itself says."""

from __future__ import annotations

import subprocess

from pgstack.errors import ProbeError
from pgstack.planning.background import Entry

ANSWER_SECONDS = 10


def show(unit: str, *names: str) -> dict[str, str]:
    """Properties of a unit; times are `@` and seconds since 1970. Raises ProbeError."""
    words = ["systemctl", "show", "--timestamp=unix", f"--property={','.join(names)}", unit]
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, check=False, timeout=ANSWER_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ProbeError(f"systemctl show {unit}: {error}") from None
    if done.returncode:
        raise ProbeError(f"systemctl show {unit}: {done.stderr.strip()}")
    said = dict(line.partition("=")[::2] for line in done.stdout.splitlines())
    return {name: said.get(name, "") for name in names}


def waits(timer: str, entry: Entry) -> bool:
    """Whether it waits for the times of the entry, and for no others."""
    known = show(timer, "ActiveState", "UnitFileState", "TimersCalendar")
    state = known["ActiveState"], known["UnitFileState"]
    return (
        state == ("active", "enabled")
        and f"OnCalendar={entry.calendar} " in known["TimersCalendar"]
    )
