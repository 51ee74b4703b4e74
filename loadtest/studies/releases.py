"""The lab on another release of Debian, and two releases in turns.

    .venv/bin/python loadtest/studies/releases.py in 13 make loadtest FULL=1
    BLOCKS=10 SECONDS=4 .venv/bin/python loadtest/studies/releases.py beside
    .venv/bin/python loadtest/studies/releases.py remove

`in` runs a command of this checkout in a container of that release, which has the lab's packages,
all processors, and the code that is here; what it measured is then in
`loadtest/results/debian-13`. `beside` has two stacks in each of the containers of the oldest and
the newest release: the same strategy on both takes turns of half a second, so that each part of the
newer release has its ratio with an interval. It reads PAGE, USERS, STRATEGIES, BLOCKS, SECONDS,
SEED and RESUME as `make loadtest` does. The containers stay, stopped, so that the next time is
quick; `remove` takes them away.

Exit status 2: an input is wrong, or a container cannot be had.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from contextlib import ExitStack
from os import environ
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(CHECKOUT), str(CHECKOUT / "app")]

from rich.console import Console  # noqa: E402 - the path comes first

from loadtest import program  # noqa: E402
from loadtest.lab import course  # noqa: E402
from loadtest.studies import beside, containers  # noqa: E402
from pgstack.errors import InputError  # noqa: E402
from pgstack.planning.packages import NEWEST, RELEASES  # noqa: E402


def within(text: str, words: list[str]) -> int:
    """Run `words` in the container of a release; their exit status."""
    container = containers.of(text)
    if not words:
        raise InputError(f"in {text}: no command. Say which, such as `make loadtest FULL=1`.")
    place = course.root(environ) / f"debian-{text}"
    try:
        container.prepare()
        command = container.command(*words, environment={"RESULTS": containers.RESULTS})
        try:
            status = subprocess.run(command, check=False).returncode
        finally:
            container.fetch_results(place)
    finally:
        container.stop()
    print(f"results: {place}")
    return status


def in_turns() -> int:
    """The oldest and the newest release beside each other."""
    journal, console = beside.journal(environ, course.root(environ)), Console()
    with ExitStack() as kept:
        for debian in (beside.OLDEST, NEWEST):
            container = containers.of(str(debian))
            with console.status(f"preparing Debian {debian}"):
                kept.callback(container.stop)
                container.prepare()
        return beside.run(journal, console)


def remove() -> int:
    """The containers, with what is in them."""
    for debian in RELEASES:
        containers.of(str(debian)).remove()
    return 0


def main() -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description="the lab on other releases of Debian")
    commands = parser.add_subparsers(dest="what", required=True)
    alone = commands.add_parser("in", help="a command of the lab in a container of one release")
    alone.add_argument("release")
    alone.add_argument("words", nargs=argparse.REMAINDER)
    commands.add_parser("beside", help="the oldest and the newest release in turns")
    commands.add_parser("remove", help="the containers, with what is in them")
    asked = parser.parse_args()
    if asked.what == "in":
        return within(asked.release, asked.words)
    return in_turns() if asked.what == "beside" else remove()


if __name__ == "__main__":
    sys.exit(program.status(main))
