#!/usr/bin/python3 -IS
"""Health check of the web container: a request through Apache that reads a row through the pooler.

The exit status is 0 when /readyz says so within the time that the health check allows. It runs every
few seconds, so it imports little.
"""

import json
import os
import sys
from http.client import HTTPConnection, HTTPException

PLAN = os.environ.get("STACK_PLAN", "/etc/stack/plan.json")
SECONDS = 5


def connect(port: int, tls: bool) -> HTTPConnection:
    """Return a connection to Apache on the loopback address."""
    if not tls:
        return HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    import ssl
    from http.client import HTTPSConnection

    # The certificate names the site, not this loopback address.
    unverified = ssl._create_unverified_context()  # noqa: S323, SLF001
    return HTTPSConnection("127.0.0.1", port, timeout=SECONDS, context=unverified)


def main() -> None:
    """Ask /readyz under the first name that the site answers to."""
    with open(PLAN, encoding="utf-8") as plan:  # noqa: PTH123 - pathlib would be one import more
        site = json.load(plan)["site"]
    connection = connect(site["port"], site["tls"] != "off")
    try:
        connection.request("GET", "/readyz", headers={"Host": site["hosts"][0].lstrip(".")})
        status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        sys.exit(f"/readyz: {error}")
    if status != 200:
        sys.exit(f"/readyz: status {status}")


if __name__ == "__main__":
    main()
