#!/usr/bin/python3 -IS
"""What the web container runs: becomes Apache, as the instance that no other container is.

Two containers share their network while one takes over from the other. Both listen on the site's
port; each answers by itself on a loopback port of its own, which /run/stack/apache/instance names.
"""

import json
import os
import socket
import sys

PLAN = os.environ.get("STACK_PLAN", "/etc/stack/plan.json")
INSTANCE = "instance"
"""file beside Apache's own"""


def is_free(port: int) -> bool:
    """Whether nobody listens on a loopback port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def main() -> None:
    """Choose, say so, become Apache."""
    with open(PLAN, encoding="utf-8") as file:  # noqa: PTH123 - as in healthcheck.py
        plan = json.load(file)
    ports = plan["site"]["instance_ports"]
    name = next((name for name in ports if is_free(ports[name])), None)
    if name is None:
        sys.exit("start_apache: two web containers run already. Remove one of them first.")
    with open(f"{plan['paths']['run_apache']}/{INSTANCE}", "w", encoding="utf-8") as file:  # noqa: PTH123
        file.write(str(ports[name]))
    os.umask(0o002)  # workers may change what pages have written: they share a group
    command = [
        "apache2",
        "-DFOREGROUND",
        "-D",
        name,
        "-f",
        f"{plan['paths']['conf']}/apache/apache2.conf",
    ]
    os.execvp(command[0], command)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
