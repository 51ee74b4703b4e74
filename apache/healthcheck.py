#!/usr/bin/python3 -IS
"""Health check of the web container: a request through Apache that reads a row through the pooler.

The exit status is 0 when /readyz says so within the time that the health check allows, and the
front page was once no error of the server: a container that never served a page is not ready. It
runs every few seconds, so it imports little.
"""

import json
import os
import sys
from http.client import HTTPConnection, HTTPException

PLAN = os.environ.get("STACK_PLAN", "/etc/stack/plan.json")
ANSWERED = os.environ.get("STACK_ANSWERED", "/run/stack/apache/front-page")
"""in memory: says that the front page of this container was answered"""
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


def ask(site: dict, path: str) -> int:  # type: ignore[type-arg]
    """Status of `path` under the first name that the site answers to."""
    connection = connect(site["port"], site["tls"] != "off")
    try:
        connection.request("GET", path, headers={"Host": site["hosts"][0].lstrip(".")})
        return connection.getresponse().status
    except (OSError, HTTPException) as error:
        sys.exit(f"{path}: {error}")


def main() -> None:
    """Ask /readyz, and / until that was answered."""
    with open(PLAN, encoding="utf-8") as plan:  # noqa: PTH123 - pathlib would be one import more
        site = json.load(plan)["site"]
    if (status := ask(site, "/readyz")) != 200:
        sys.exit(f"/readyz: status {status}")
    if os.path.exists(ANSWERED):  # noqa: PTH110 - as above
        return
    if (status := ask(site, "/")) >= 500:
        sys.exit(f"/: status {status}")
    os.close(os.open(ANSWERED, os.O_CREAT | os.O_WRONLY, 0o600))


if __name__ == "__main__":
    main()
