"""Write the site's certificate and key where Apache reads them: `python -m pgstack.certificates`, as root on a host.

With `--renew` a self-signed pair is made anew, however much time it has left.
"""

from __future__ import annotations

import shutil
import sys

from pgstack import render, state, tls
from pgstack.errors import StackError


def main() -> None:
    """Write what differs and print its paths; 2 with one message when it cannot."""
    try:
        plan = state.started_plan()
        for path in render.write(tls.files(plan, renew="--renew" in sys.argv[1:])):
            shutil.chown(path, plan.accounts.web, plan.accounts.web)
            print(path)
    except StackError as error:
        print(error, file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
