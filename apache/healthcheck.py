#!/usr/bin/python3 -IS
"""Health check of the web container: a request through Apache that reads a row through the pooler.

It asks on the port where only this container answers, for during a takeover two of them share the
public one. The exit status is 0 when /readyz answers 200 within the health check's timeout, and the
front page has at least once answered without a server error: a container that never served a page
is not ready. It runs every few seconds, so it imports little.
"""

import json
import os
import signal
import sys
from http.client import HTTPConnection, HTTPException

PLAN = os.environ.get("STACK_PLAN", "/etc/stack/plan.json")
RUN = os.environ.get("STACK_RUN_APACHE", "/run/stack/apache")
"""in memory; the file `instance` holds the port, and `front-page` says that the front page of this
container was answered"""
INTERFACES = "/sys/class/net"
APACHE = 1
SECONDS = 5


def ask(port: int, host: str, path: str) -> int:
    """Status of `path` under the name `host`."""
    connection = HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request("GET", path, headers={"Host": host})
        return connection.getresponse().status
    except (OSError, HTTPException) as error:
        sys.exit(f"{path}: {error}")


def require_network() -> None:
    """End Apache when this container has lost its network: the container `port` was restarted, and
    only containers started after it join its new network."""
    if os.listdir(INTERFACES) == ["lo"]:  # noqa: PTH208 - pathlib would be one import more
        os.kill(APACHE, signal.SIGTERM)
        sys.exit("nothing leads to this container any more: it is started again")


def main() -> None:
    """Ask /readyz, and / until that was answered."""
    require_network()
    try:
        with open(f"{RUN}/instance", encoding="utf-8") as file:  # noqa: PTH123 - as above
            port = int(file.read())
        with open(PLAN, encoding="utf-8") as plan:  # noqa: PTH123 - as above
            host = json.load(plan)["site"]["hosts"][0].lstrip(".")
    except OSError as error:
        sys.exit(str(error))
    if (status := ask(port, host, "/readyz")) != 200:
        sys.exit(f"/readyz: status {status}")
    answered = f"{RUN}/front-page"
    if os.path.exists(answered):  # noqa: PTH110 - as above
        return
    if (status := ask(port, host, "/")) >= 500:
        sys.exit(f"/: status {status}")
    os.close(os.open(answered, os.O_CREAT | os.O_WRONLY, 0o600))


if __name__ == "__main__":
    main()
