"""`python -m pgstack.targets.schedule`: what `make status` says of each entry, where a container
runs them; 1 when one has failed or is late."""

from __future__ import annotations

import sys

from pgstack.commands import CHECK_FAILED
from pgstack.errors import ends_the_process
from pgstack.planning import state
from pgstack.targets.schedule import status


def main() -> None:
    """Print a line for each entry; the exit status is CHECK_FAILED when one is in trouble."""
    with ends_the_process():
        troubled = False
        for name, state_word, trouble, told in status.entries(state.started_plan()):
            print(f"{name}  {state_word}  {trouble or told}")
            troubled = troubled or bool(trouble)
        sys.exit(CHECK_FAILED if troubled else 0)


if __name__ == "__main__":
    main()
