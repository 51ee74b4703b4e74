"""Prometheus, Alertmanager and the node exporter in a container: nothing of it unless asked; then an
alert and its end reach receivers, and no page reaches any of it."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from compose_stack import ComposeStack

from fixtures import told

pytestmark = [pytest.mark.compose, pytest.mark.slow, pytest.mark.timeout(900)]

SERVICE, FILE = "observability", "/tmp/told"
HTTP, SMTP = 9990, 9991
PORTS = {8400, 9090, 9093, 9100}
REACH = """
import socket, sys
for port in sys.argv[2:]:
    with socket.socket() as client:
        client.settimeout(2)
        print(port, client.connect_ex((sys.argv[1], int(port))) == 0)
"""


@pytest.fixture(scope="module")
def watched(
    compose_stack: ComposeStack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ComposeStack]:
    """The stack with it, and with receivers in its network; at its end without."""
    assert not compose_stack.container(SERVICE)
    place = tmp_path_factory.mktemp("secrets")
    named = {"STACK_OBSERVABILITY": "full"}
    for name in ("webhook", "watchdog"):
        (place / name).write_text(f"http://127.0.0.1:{HTTP}/{name}\n")
        (place / name).chmod(0o644)
        named[f"STACK_ALERT_{name.upper()}_FILE"] = str(place / name)
    os.chmod(place, 0o755)  # noqa: PTH101 - the container's account reads there
    own = compose_stack.with_inputs(
        {
            **named,
            "STACK_ALERT_MAIL": "ops@shop.example",
            "STACK_ALERT_SMTP": f"127.0.0.1:{SMTP}",
        }
    )
    own.up("--build")
    program = Path(told.__file__).read_text()
    words = ("python", "-c", program, str(HTTP), str(SMTP), FILE)
    own.run("docker", "exec", "--detach", own.container(SERVICE), *words)
    yield own
    compose_stack.up()
    # What was rendered stays where nobody reads it; another test looks at all of it.
    remove = ("run", "--rm", "--no-deps", "--no-TTY", "--entrypoint=rm", "configure")
    compose_stack.compose(*remove, "-r", "/etc/stack/observability")
    assert not compose_stack.container(SERVICE)
    compose_stack.wait_until_steady()


def came(stack: ComposeStack, way: str) -> list[Any]:
    """What a receiver has got."""
    lines = stack.execute(SERVICE, "cat", FILE, check=False).stdout.splitlines()
    return [message["what"] for message in map(json.loads, lines) if message["way"] == way]


def seen(stack: ComposeStack, alert: str) -> list[str]:
    """The states of an alert that the webhook was told, in order."""
    return [
        told["status"]
        for message in came(stack, "/webhook")
        for told in message["alerts"]
        if told["labels"]["alertname"] == alert
    ]


def wait(condition: Callable[[], bool], seconds: float, what: str) -> float:
    """Seconds until it is true."""
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < seconds, f"no {what} after {seconds} s"
        time.sleep(1)
    return time.monotonic() - begun


def query(stack: ComposeStack, expression: str) -> list[Any]:
    words = ("promtool", "query", "instant", "-o", "json", "http://127.0.0.1:9090", expression)
    result: list[Any] = json.loads(stack.execute(SERVICE, *words).stdout)
    return result


def test_it_is_shut_in_and_no_page_reaches_it(watched: ComposeStack) -> None:
    container = watched.inspect(SERVICE)
    host = container["HostConfig"]
    assert (host["ReadonlyRootfs"], host["CapDrop"], host["PortBindings"]) == (True, ["ALL"], {})
    listing = watched.run("docker", "top", watched.container(SERVICE), "-eo", "pid,uid")
    assert {line.split()[1] for line in listing.stdout.splitlines()[1:]} == {"5010"}
    (network,) = container["NetworkSettings"]["Networks"].values()
    asked = ("python", "-c", REACH, network["IPAddress"], *map(str, sorted(PORTS)))
    for service in ("web", "background"):
        told = watched.execute(service, *asked).stdout.split()
        assert told[1::2] == ["False"] * len(PORTS), service
    here = ("python", "-c", REACH, "127.0.0.1", *map(str, sorted(PORTS)))
    assert watched.execute("web", *here).stdout.split()[1::2] == ["False"] * len(PORTS)
    assert watched.execute(SERVICE, *here).stdout.split()[1::2] == ["True"] * len(PORTS)


def test_all_that_is_asked_answers(watched: ComposeStack) -> None:
    wait(lambda: len(query(watched, "up == 1")) == 4, 60, "answer of all targets")
    assert query(watched, "node_filesystem_avail_bytes")
    assert query(watched, 'pgstack_up{source="postgresql"} == 1')
    rows = watched.run("make", "-s", "status", "TARGET=compose").stdout.splitlines()
    assert any(row.split() == [SERVICE, "running"] for row in rows)


def test_an_alert_and_its_end_reach_the_receivers(watched: ComposeStack) -> None:
    watched.compose("stop", "pgbouncer")
    fired = wait(lambda: bool(seen(watched, "PgBouncerDown")), 180, "alert")
    wait(lambda: "PgBouncerDown" in str(came(watched, "mail")), 30, "mail")
    watched.compose("start", "pgbouncer")
    ended = wait(lambda: "resolved" in seen(watched, "PgBouncerDown"), 150, "end")
    print(f"PgBouncerDown came after {fired:.0f} s, its end {ended:.0f} s")
    wait(lambda: len(came(watched, "/watchdog")) > 1, 300, "second sign of life")
    assert not seen(watched, "Watchdog")


def test_it_takes_as_much_as_was_planned(watched: ComposeStack) -> None:
    status = watched.execute(SERVICE, "sh", "-c", "cat /proc/[0-9]*/status").stdout
    most = [int(size) for size in re.findall(r"^VmHWM:\s*(\d+) kB", status, re.MULTILINE)]
    assert 100_000 < sum(most) < 256 * 1024
