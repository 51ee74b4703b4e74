"""`python -m pgstack.live.verify`: what an account finds whom the plan does not know, as JSON;
without the project."""

from __future__ import annotations

import json
from dataclasses import asdict

from pgstack.errors import ends_the_process
from pgstack.live.verify import verify_as_stranger
from pgstack.planning import state


def main() -> None:
    """Try to log in everywhere and print what came of it."""
    with ends_the_process():
        print(json.dumps([asdict(finding) for finding in verify_as_stranger(state.started_plan())]))


if __name__ == "__main__":
    main()
