"""The host of a Molecule scenario: boot it, boot it again, remove it.

    python tests/host/molecule_host.py start DIRECTORY trixie

keeps in DIRECTORY how it is reached (`inventory.json`, a key). The same with `reboot` and `stop`;
while it is down in between, its disk is kept for other tests.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS.parent / "app")]
import deployed_host  # noqa: E402 - the path comes first
import systemd_host  # noqa: E402


def main() -> int:
    """The command line. Exit status 2 when it could not be done."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("action", choices=["start", "reboot", "stop"])
    parser.add_argument("directory", type=Path)
    parser.add_argument("suite", nargs="?", default="", help="of Debian; for start")
    asked = parser.parse_args()
    try:
        act(asked.action, asked.directory, asked.suite)
    except (pytest.fail.Exception, pytest.skip.Exception) as error:
        print(error.msg, file=sys.stderr)
        return 2
    return 0


def act(action: str, directory: Path, suite: str) -> None:
    """Do what is asked for. Raises pytest's outcomes, with what is missing or went wrong."""
    if action == "reboot":
        host = systemd_host.running(directory)
        deployed_host.keep(host)
        host.reboot()
        return
    systemd_host.stop(directory)
    shutil.rmtree(directory, ignore_errors=True)
    if action == "start":
        directory.mkdir(parents=True)
        systemd_host.start(suite, directory)


if __name__ == "__main__":
    sys.exit(main())
