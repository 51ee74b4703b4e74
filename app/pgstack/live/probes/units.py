"""Units of what runs beside the pages, as systemd itself says."""

from __future__ import annotations

import subprocess

from pgstack.errors import ProbeError
from pgstack.planning.background import Entry

ANSWER_SECONDS = 10


def show(unit: str, *names: str) -> dict[str, str]:
    """Properties of a unit; times are `@` and seconds since 1970. Raises ProbeError."""
    told = _systemctl("show", "--timestamp=unix", f"--property={','.join(names)}", unit)
    said = dict(line.partition("=")[::2] for line in told)
    return {name: said.get(name, "") for name in names}


def listed(pattern: str, *states: str) -> list[str]:
    """Names of the units in one of these states. Raises ProbeError."""
    among = f"--state={','.join(states)}"
    told = _systemctl("list-units", "--plain", "--no-legend", among, pattern)
    return [line.split()[0] for line in told if line]


def _systemctl(*words: str) -> list[str]:
    """Lines of its answer."""
    try:
        done = subprocess.run(
            ["systemctl", *words],
            capture_output=True,
            text=True,
            check=False,
            timeout=ANSWER_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ProbeError(f"systemctl {' '.join(words)}: {error}") from None
    if done.returncode:
        raise ProbeError(f"systemctl {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout.splitlines()


def waits(timer: str, entry: Entry) -> bool:
    """Whether it waits for the times of the entry, and for no others."""
    known = show(timer, "ActiveState", "UnitFileState", "TimersCalendar")
    state = known["ActiveState"], known["UnitFileState"]
    return (
        state == ("active", "enabled")
        and f"OnCalendar={entry.calendar} " in known["TimersCalendar"]
    )
