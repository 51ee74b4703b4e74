"""Why `make up` failed on Compose: the reason, the project's own line, and a file with all
that was said."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(CHECKOUT / "app"))
sys.dont_write_bytecode = True

from pgstack.serving import tracebacks  # noqa: E402 - the path comes first

PROJECT = "/srv/stack/project"
FILE = CHECKOUT / ".compose-failure.log"
LINES = 3
SOURCES = {
    # Its own logging may keep from the container's log what a page raised.
    "web": ["exec", "--no-TTY", "web", "python", "-m", "pgstack.serving.trial"],
    "migrate": ["logs", "--no-log-prefix", "migrate"],
    "configure": ["logs", "--no-log-prefix", "configure"],
}
"""where to find the reason, the last to start first"""


def compose_output(arguments: list[str]) -> str:
    """Output of a command of Compose."""
    command = ["docker", "compose", *arguments]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def last_reason(service: str, text: str) -> str:
    """The reason of the last traceback in what a service wrote, all of which goes into FILE; empty
    where there is none."""
    if tracebacks.BEGINS not in text:
        return ""
    FILE.write_text(text)
    newest = text[text.rindex(tracebacks.BEGINS) :]
    return f"{service}: {tracebacks.reason(newest, PROJECT)}.\nThe whole traceback: {FILE}"


def main() -> None:
    """Print the reason of the last service that has a traceback, else the last lines of all."""
    for service, source in SOURCES.items():
        if reason := last_reason(service, compose_output(source)):
            print(reason, file=sys.stderr)
            return
    print(
        compose_output(["logs", "--no-log-prefix", f"--tail={LINES}", "configure", "migrate"]),
        end="",
        file=sys.stderr,
    )


if __name__ == "__main__":
    main()
